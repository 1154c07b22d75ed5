// SPDX-License-Identifier: LGPL-2.1-or-later
// The speed of discorddecrypt beside a bare loop over the same calls of the libraries.
// Usage: bench_decrypt [--quick] [--json FILE] [--speech-dir DIR] [--only SECTION]... | --smoke
#include <gst/gst.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tests/bench/sections.hpp"

using namespace dv::bench;

namespace {

struct Section {
  const char *name;
  void (*measure)(const Settings &, const Materials &, Report &);
};
constexpr Section kSections[] = {
    {"opening", measure_opening}, {"decoding", measure_decoding},
    {"live", measure_live},       {"first-frame", measure_first_frame},
    {"memory", measure_memory},   {"bad-packets", measure_bad_packets},
};

bool is_section(const std::string &name) {
  return std::any_of(std::begin(kSections), std::end(kSections),
                     [&](const Section &s) { return name == s.name; });
}

bool parse(int argc, char **argv, Settings &settings) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const char *value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (option == "--quick") {
      settings.quick = true;
    } else if (option == "--smoke") {
      settings.smoke = true;
    } else if (value == nullptr) {
      return false;
    } else if (option == "--json") {
      settings.json = argv[++i];
    } else if (option == "--speech-dir") {
      settings.speech_dir = argv[++i];
    } else if (option == "--only" && is_section(value)) {
      settings.only.emplace_back(argv[++i]);
    } else {
      return false;
    }
  }
  return true;
}

bool wanted(const Settings &settings, const char *name) {
  return settings.only.empty() ||
         std::find(settings.only.begin(), settings.only.end(), name) != settings.only.end();
}

}  // namespace

int main(int argc, char **argv) {
  Settings settings;
  settings.speech_dir = "bench-speech";
  gst_init(&argc, &argv);
  if (!parse(argc, argv, settings)) {
    std::fprintf(stderr,
                 "usage: bench_decrypt [--quick] [--json FILE] [--speech-dir DIR] [--only SECTION] "
                 "| --smoke\nsections:");
    for (const Section &s : kSections) std::fprintf(stderr, " %s", s.name);
    std::fprintf(stderr, "\n");
    return 2;
  }
  if (settings.smoke) return smoke();
  const Materials materials{make_speech(settings.speech_dir),
                            settings.quick ? Material{} : make_music()};
  Report report;
  for (const Section &s : kSections) {
    if (!wanted(settings, s.name)) continue;
    s.measure(settings, materials, report);
    std::printf("\n");
    std::fflush(stdout);
  }
  if (!settings.json.empty() && !report.write_json(settings.json)) {
    std::fprintf(stderr, "bench: can not write %s\n", settings.json.c_str());
    return 1;
  }
  return 0;
}
