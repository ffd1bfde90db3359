#!/usr/bin/env bash
# The cost of a numeric set, the whole call through the C interface, must not grow with the document or near its limit:
# flat_cost.sh PROGRAM prints instructions per set for three sizes, with room and one byte below the limit, and fails
# when the dearest of the six costs more than 1.5 of the cheapest (at the limit, doubles are formatted to be counted).
set -euo pipefail
program=$1
few=1000 many=11000
. "$(dirname "$0")/instructions.sh"

least=0 most=0
for room in roomy tight; do
  for bytes in 256 4096 65536; do
    a=$(instructions "$bytes" "$room" "$few")
    b=$(instructions "$bytes" "$room" "$many")
    tenths=$(((b - a) * 10 / (many - few)))
    printf 'flat cost: %-5s %6d bytes: %4d.%d instructions per set\n' "$room" "$bytes" $((tenths / 10)) $((tenths % 10))
    if [ "$least" -eq 0 ] || [ "$tenths" -lt "$least" ]; then least=$tenths; fi
    if [ "$tenths" -gt "$most" ]; then most=$tenths; fi
  done
done
printf 'flat cost: dearest / cheapest: %d.%02d\n' $((most / least)) $((most * 100 / least % 100))
[ $((most * 10)) -le $((least * 15)) ]
