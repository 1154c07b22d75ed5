// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/export/export.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "gst/filesink/export/formats.hpp"
#include "gst/filesink/naming.hpp"

namespace dv::exporter {
namespace {

namespace fs = std::filesystem;

constexpr struct {
  std::string_view word;
  std::uint32_t formats;
} kWords[] = {{"audacity", kAudacity}, {"reaper", kReaper}, {"vtt", kVtt}, {"rttm", kRttm},
              {"csv", kCsv},           {"html", kHtml},     {"all", kAll}};

bool is_file(const fs::path &path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_same(const fs::path &a, const fs::path &b) {
  std::error_code ignored;
  return fs::equivalent(a, b, ignored);
}

fs::path absolute_path(const fs::path &path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  return (error ? path : whole).lexically_normal();
}

/** Finds the files of a recording also after its directory was moved, or its process died. */
class Locator {
 public:
  Locator(const fs::path &index, const fs::path &out)
      : index_directory_(absolute_path(index).parent_path()), out_(absolute_path(out)) {}

  std::string operator()(const MediaFile &file) const {
    const fs::path named = file.path;
    const fs::path beside = index_directory_ / named.filename();
    for (const fs::path &path : {named, beside}) {
      if (is_file(path)) return from_out(path);
      fs::path part = path;
      part += ".part";
      if (is_file(part)) return from_out(part);
    }
    return from_out(named);
  }

 private:
  std::string from_out(const fs::path &path) const {
    const fs::path relative = absolute_path(path).lexically_relative(out_);
    return relative.empty() ? path.string() : relative.string();
  }
  fs::path index_directory_, out_;
};

class Writer {
 public:
  Writer(std::string stem, std::string index, const Locator &locate, Result &result)
      : stem_(std::move(stem)), index_(std::move(index)), locate_(locate), result_(result) {}

  void write(const Session &session, std::uint32_t formats, const std::string &title) {
    const Locate locate = [this](const MediaFile &file) { return locate_(file); };
    if (formats & kAudacity) {
      put(".labels.txt", audacity_labels(session));
      put(".lof", audacity_files(session, locate));
    }
    if (formats & kReaper) put(".rpp", reaper_project(session, locate));
    if (formats & kVtt) put(".vtt", web_vtt(session));
    if (formats & kRttm) put(".rttm", rttm(session, title));
    if (formats & kCsv) put(".csv", csv(session));
    if (formats & kHtml) put(".html", html_page(session, title, locate));
  }

 private:
  void put(const char *extension, const std::string &text) {
    if (result_.error) return;
    if (is_same(stem_ + extension, index_)) {
      result_.error = FileError{EEXIST, "replace the index", index_};
      return;
    }
    OutputFile file;
    const auto bytes = ByteView(reinterpret_cast<const std::uint8_t *>(text.data()), text.size());
    // One that an interrupted export has left behind would make us take another name.
    std::error_code ignored;
    fs::remove(stem_ + extension + ".part", ignored);
    auto error = file.create(stem_ + extension, {true, false});
    if (!error) error = file.write_at(0, bytes);
    if (!error) error = file.finish();
    if (error) {
      result_.error = error;
    } else {
      result_.files.push_back(file.path());
    }
  }

  std::string stem_, index_;
  const Locator &locate_;
  Result &result_;
};

}  // namespace

std::optional<std::uint32_t> parse_formats(std::string_view words) {
  std::uint32_t out = 0;
  while (true) {
    const std::string_view word = words.substr(0, words.find(','));
    std::uint32_t found = 0;
    for (const auto &known : kWords) {
      if (known.word == word) found = known.formats;
    }
    if (found == 0) return std::nullopt;
    out |= found;
    if (word.size() == words.size()) return out;
    words.remove_prefix(word.size() + 1);
  }
}

Result export_index(const std::string &index, std::uint32_t formats, const std::string &directory) {
  Result result;
  // A pipe or a device would be waited for, or never end.
  if (std::error_code error; !fs::is_regular_file(index, error)) {
    result.error = FileError{error ? error.value() : EINVAL, "open", index};
    return result;
  }
  std::ifstream in(index, std::ios::binary);
  if (!in) {
    result.error = FileError{errno != 0 ? errno : EIO, "open", index};
    return result;
  }
  const IndexLog log = read_index(in);
  result.lines = log.lines;
  result.bad_lines = log.bad_lines;
  result.sessions = log.sessions.size();
  const std::string out = directory.empty() ? directory_of(index) : directory;
  const Locator locate(index, out);
  const std::string stem = fs::path(index).stem().string();
  for (std::size_t i = 0; i < log.sessions.size(); ++i) {
    const std::string title = i == 0 ? stem : stem + "-" + std::to_string(i + 1);
    Writer((fs::path(out) / title).string(), index, locate, result)
        .write(log.sessions[i], formats, valid_utf8(title));
  }
  return result;
}

}  // namespace dv::exporter
