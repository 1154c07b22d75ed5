// SPDX-License-Identifier: LGPL-2.1-or-later
// Records noise until it is killed, or ends properly after FRAMES: kill_recorder FORMAT DIRECTORY
// [FRAMES]. Says on its output, line by line, how many frames of 20 ms have certainly been taken, a
// tenth of a second at a time.
#include <cstdio>
#include <cstdlib>

#include "sink_bench.hpp"

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc < 3) return 2;
  const guint64 frames = argc > 3 ? g_ascii_strtoull(argv[3], nullptr, 10) : 100000;
  bench::Bench bench(std::string("format=") + argv[1] + " location=\"" + argv[2] + "/%u.%x\"" +
                     " index-location=\"" + argv[2] + "/index.jsonl\"");
  if (!bench.start()) return 1;
  for (guint64 frame = 0; frame < frames; ++frame) {
    for (guint32 user = 1; user <= 3; ++user) {
      if (bench.speak(user, user, frame, frame * 20 * GST_MSECOND) != GST_FLOW_OK) return 1;
    }
    if (frame % 5 != 4) continue;
    // Samples count as taken when they have been handed to the writer.
    bench.wait_written((frame + 1) * 3 * bench::kFrame);
    std::printf("%u\n", static_cast<unsigned>(frame + 1));
    std::fflush(stdout);
  }
  return argc > 3 && bench.end() ? 0 : 1;
}
