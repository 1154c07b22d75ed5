// SPDX-License-Identifier: LGPL-2.1-or-later
// gst-discord-export: what an editor opens, made from a session index.
#include <getopt.h>

#include <cstdio>
#include <exception>
#include <string>

#include "gst/filesink/export/export.hpp"

namespace {

using namespace dv::exporter;

constexpr char kUsage[] =
    "Usage: gst-discord-export INDEX [--format LIST] [--out DIR]\n"
    "\n"
    "Writes what editors open from the session index of a recording.\n"
    "\n"
    "  -f, --format LIST  audacity, reaper, vtt, rttm, csv, html, separated by commas;\n"
    "                     all, the default, for every one\n"
    "  -o, --out DIR      where to write, an existing directory; default: beside the index\n"
    "  -h, --help         this text\n"
    "\n"
    "Files are called like the index and replace those of the same name.\n";

constexpr int kWrongUse = 2;

int run(const std::string &index, std::uint32_t formats, const std::string &directory) {
  const Result result = export_index(index, formats, directory);
  for (const auto &file : result.files) std::printf("%s\n", file.c_str());
  if (result.bad_lines > 0) {
    std::fprintf(stderr, "%zu of %zu lines of the index could not be used.\n", result.bad_lines,
                 result.lines);
  }
  if (result.error) {
    std::fprintf(stderr, "%s %s\n", result.error->text().c_str(), result.error->advice().c_str());
    return 1;
  }
  if (result.sessions > 0) return 0;
  std::fprintf(stderr, "There is no recording in %s.\n", index.c_str());
  return 1;
}

int with_arguments(int argc, char **argv) {
  static const option options[] = {{"format", required_argument, nullptr, 'f'},
                                   {"out", required_argument, nullptr, 'o'},
                                   {"help", no_argument, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};
  std::uint32_t formats = kAll;
  std::string directory;
  for (int c; (c = getopt_long(argc, argv, "f:o:h", options, nullptr)) != -1;) {
    if (c == 'f') {
      const auto parsed = parse_formats(optarg);
      if (!parsed) {
        std::fprintf(stderr, "There is no format \"%s\".\n\n%s", optarg, kUsage);
        return kWrongUse;
      }
      formats = *parsed;
    } else if (c == 'o') {
      directory = optarg;
    } else {
      std::fputs(kUsage, c == 'h' ? stdout : stderr);
      return c == 'h' ? 0 : kWrongUse;
    }
  }
  if (argc - optind != 1) {
    std::fputs(kUsage, stderr);
    return kWrongUse;
  }
  return run(argv[optind], formats, directory);
}

}  // namespace

int main(int argc, char **argv) {
  try {
    return with_arguments(argc, argv);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "gst-discord-export: %s\n", error.what());
    return 1;
  }
}
