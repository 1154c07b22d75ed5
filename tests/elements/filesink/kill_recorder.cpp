// SPDX-License-Identifier: LGPL-2.1-or-later
// Records noise until it is killed, or ends properly after FRAMES: kill_recorder [--power] FORMAT
// DIRECTORY [FRAMES]. Says on its output, line by line, how many frames of 20 ms the sink has been
// given, 50 a second as live speech comes, but no faster than they are written on a machine that
// has other things to do. With --power it is meant to survive a power cut.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "sink_bench.hpp"

// The longest batch, that of Opus.
constexpr guint64 kBatch = 8;

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  const bool power = argc > 1 && std::string(argv[1]) == "--power";
  if (power) {
    ++argv;
    --argc;
  }
  if (argc < 3) return 2;
  const guint64 frames = argc > 3 ? g_ascii_strtoull(argv[3], nullptr, 10) : 100000;
  bench::Bench bench(std::string("format=") + argv[1] + " location=\"" + argv[2] + "/%u.%x\"" +
                     " index-location=\"" + argv[2] + "/index.jsonl\"" +
                     (power ? " durability=power" : ""));
  if (!bench.start()) return 1;
  gint64 due = g_get_monotonic_time();
  for (guint64 frame = 0; frame < frames; ++frame) {
    for (guint32 user = 1; user <= 3; ++user) {
      if (bench.speak(user, user, frame, frame * 20 * GST_MSECOND) != GST_FLOW_OK) return 1;
    }
    std::printf("%u\n", static_cast<unsigned>(frame + 1));
    std::fflush(stdout);
    if (frame >= kBatch) bench.wait_written((frame + 1 - kBatch) * 3 * bench::kFrame);
    // Where the machine has stood still, nothing is caught up.
    const gint64 now = g_get_monotonic_time();
    due = std::max(due + G_USEC_PER_SEC / 50, now);
    g_usleep(static_cast<gulong>(due - now));
  }
  return argc > 3 && bench.end() ? 0 : 1;
}
