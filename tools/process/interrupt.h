// Ctrl-C and SIGTERM: a store survives any kill, so this is for the user: what is under way is finished and reported,
// loops stop between steps, and the process then dies of the signal as its parent expects.
#pragma once

#include <cstdint>

namespace cairn::tools {

/// The first signal is noted, a second one kills at once (kill_at_interrupt). A limit on file sizes (SIGXFSZ) is an error of the write.
void note_interrupts();
[[nodiscard]] bool interrupted();
/// From now on the signal of this number kills.
void kill_at_interrupt(int number);
/// The first interrupt was understood: from now on interrupted() means a second one, which kill_at_interrupt() has to
/// allow. Not while other threads wait.
void forget_interrupt();
/// From now on SIGHUP asks for a reload, and ends the process no more. One that comes because the terminal is gone counts
/// as an interrupt all the same, unless hang-ups were ignored before (nohup).
void note_reloads();
/// Whether a reload was asked for since the last call.
[[nodiscard]] bool reload_asked();
/// Blocks until a read of `fd` would not. False: interrupted, if only just before the call.
[[nodiscard]] bool wait_for_input(int fd);
/// Sleeps; a signal ends it, if only one that came just before the call.
void pause_ms(uint64_t ms);
/// Ends the process by the signal that was noted; as process 1, whom it does not end, with 128 and its number. Call
/// after the store was closed.
[[noreturn]] void die_of_interrupt();

}  // namespace cairn::tools
