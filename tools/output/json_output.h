// What `--json` prints: one object a line. The names of its members and what each holds stand in
// tools/json.schema.json; one name is one thing in every command.
#pragma once

#include "engine/json/value.h"
#include "wal/reader.h"

namespace cairn::tools {

/// One line on stdout. Cairn's own 64-bit numbers (sequences, LSNs, seeds) become text, by their names, because many
/// readers of JSON keep 53 bits; nothing inside metadata or a value of it is touched.
void print_json(engine::Object object);

/// The members that say where the log is damaged, and how.
void add_damage(engine::Object& object, const wal::Damage& damage);

}  // namespace cairn::tools
