// What a sandbox does: system calls that this process and what it becomes by exec may not make.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstdint>

namespace cairn::tests {

struct RefusedCall {
  const char* name;
  uint32_t number;
  int argument = -1;  // at least 0: only where this argument has `value`
  uint32_t value = 0;
};

/// From now on the call fails with `error`. False: this system has no seccomp filters.
inline bool refuse(const RefusedCall& call, int error) {
  const auto argument =
      static_cast<uint32_t>(offsetof(seccomp_data, args) + 8 * (call.argument < 0 ? 0 : call.argument));
  const auto any = static_cast<uint8_t>(call.argument < 0 ? 1 : 0);
  std::array<sock_filter, 6> filter = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offsetof(seccomp_data, nr))),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, static_cast<uint8_t>(any != 0 ? 2 : 0), 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),  // the low half: values of commands are small
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.value, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace cairn::tests
