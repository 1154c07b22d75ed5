// SPDX-License-Identifier: LGPL-2.1-or-later
// Records noise until it is killed, or ends properly after FRAMES: kill_recorder [--power] FORMAT
// DIRECTORY [FRAMES]. Says on its output, line by line, how many frames of 20 ms have certainly
// been taken, a tenth of a second at a time. With --power it is meant to survive a power cut, and
// no faster than the time of day, since what is synced now and then is so by that.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "sink_bench.hpp"

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
    if (frame % 5 != 4) continue;
    // Samples count as taken when they have been handed to the writer.
    bench.wait_written((frame + 1) * 3 * bench::kFrame);
    std::printf("%u\n", static_cast<unsigned>(frame + 1));
    std::fflush(stdout);
    if (!power) continue;
    // Where the machine has stood still, nothing is caught up.
    const gint64 now = g_get_monotonic_time();
    due = std::max(due + G_USEC_PER_SEC / 10, now);
    g_usleep(static_cast<gulong>(due - now));
  }
  return argc > 3 && bench.end() ? 0 : 1;
}
