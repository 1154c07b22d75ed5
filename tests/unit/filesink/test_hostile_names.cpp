// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <vector>

#include "export_support.hpp"
#include "gst/filesink/export/export.hpp"
#include "gst/filesink/export/formats.hpp"
#include "gst/filesink/export/text.hpp"
#include "gst/filesink/json_line.hpp"
#include "gst/filesink/naming.hpp"
#include "gst/filesink/output_file.hpp"
#include "temp_dir.hpp"

// Ten thousand names at once, through the file names, the index and all exports.

using namespace dv;
using namespace dv::exporter;

namespace {

constexpr std::size_t kNameCount = 10000;

/** Valid UTF-8, as everything that came through JSON is; otherwise as bad as it gets. */
std::vector<std::string> hostile_names() {
  static const std::vector<std::string> pieces = {
      "/",      "..", "\\", "%u",   "%2e",    "\n",     "\r\n",     "\t",          "\x01",
      "\"",     "'",  "`",  "<",    ">",      "</",     "<script>", "-->",         "&amp;",
      "&",      ";",  "|",  "$(x)", "=1+1",   ",",      "{",        "}",           "\x7f",
      " ",      "-",  ".",  "CON",  "\u202e", "\u200b", "\u2028",   "\U0001F98A",  "e\u0301",
      "\uFFFD", "a",  "Z",  "9",    "_",      "<v x>",  "|track",   ">\n  <TRACK", "\u0085"};
  std::mt19937 random(7);
  std::vector<std::string> names;
  while (names.size() < kNameCount) {
    std::string name;
    for (auto n = 1 + random() % 12; n > 0; --n) name += pieces[random() % pieces.size()];
    names.push_back(std::move(name));
  }
  names[0] = std::string("nul\0byte", 8);
  names[1] = std::string(20000, 'x');
  return names;
}

UserId user_of(std::size_t i) { return 1000000 + i; }

std::string index_of(const std::vector<std::string> &names) {
  std::string out = R"({"type":"recording","version":1,"start-unix":1000,"location":"d/%u.wav",)"
                    "\"extension\":\"wav\"}\n";
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string file = "d/" + std::to_string(user_of(i)) + ".wav";
    out += JsonLine("user").id("user", user_of(i)).text("name", names[i]).str();
    out += JsonLine("track-opened")
               .number("track", i + 1)
               .id("user", user_of(i))
               .number("ssrc", i + 1)
               .text("name", names[i])
               .text("file", file)
               .seconds("start", 0s)
               .str();
    out += JsonLine("spurt")
               .number("track", i + 1)
               .id("user", user_of(i))
               .seconds("start", Time{1ms} * static_cast<std::int64_t>(i))
               .seconds("length", 1ms)
               .str();
  }
  return out + R"({"type":"end","reason":"eos","duration":60})" + "\n";
}

/** What is between `from` and `to`, everywhere in the text, in order. */
std::vector<std::string> all_between(const std::string &text, const std::string &from,
                                     const std::string &to) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;) {
    at += from.size();
    const auto end = text.find(to, at);
    if (end == std::string::npos) break;
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

std::string unmarked(std::string text) {
  static const std::pair<const char *, const char *> entities[] = {
      {"&lt;", "<"},   {"&gt;", ">"},   {"&quot;", "\""}, {"&#39;", "'"},
      {"&#10;", "\n"}, {"&#13;", "\r"}, {"&amp;", "&"}};
  for (const auto &[entity, plain] : entities) {
    for (std::size_t at = 0; (at = text.find(entity, at)) != std::string::npos; ++at) {
      text.replace(at, std::string(entity).size(), plain);
    }
  }
  return text;
}

/** The names of the rows, quotes undone as RFC 4180 has it. */
std::vector<std::string> csv_names(const std::string &text) {
  std::vector<std::string> row(1), names;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        row.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        row.back() += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      row.emplace_back();
    } else if (c == '\n') {
      REQUIRE(row.size() == 9);
      names.push_back(row[6]);
      row.assign(1, {});
    } else if (c != '\r') {
      row.back() += c;
    }
  }
  names.erase(names.begin());
  return names;
}

std::size_t count_of(const std::string &text, char c) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), c));
}

}  // namespace

TEST_CASE("ten thousand hostile names: every file is inside the directory and private") {
  TempDir dir;
  const auto names = hostile_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    TrackFacts facts;
    facts.user = user_of(i);
    facts.name = names[i];
    facts.extension = "wav";
    OutputFile file;
    REQUIRE_FALSE(file.create(expand_template(dir / "%n-%u.%x", facts), {}));
    REQUIRE_FALSE(file.finish());
  }
  std::size_t count = 0;
  for (const auto &entry : std::filesystem::recursive_directory_iterator(dir / "")) {
    REQUIRE(entry.is_regular_file());
    struct stat st {};
    REQUIRE(lstat(entry.path().c_str(), &st) == 0);
    REQUIRE((st.st_mode & 07777) == 0600);
    ++count;
  }
  CHECK(count == names.size());
}

TEST_CASE("ten thousand hostile names come back exactly from the index and every export") {
  const auto names = hostile_names();
  std::istringstream in(index_of(names));
  const IndexLog log = read_index(in);
  REQUIRE(log.sessions.size() == 1);
  REQUIRE(log.bad_lines == 0);
  const Session &session = log.sessions[0];
  REQUIRE(session.tracks.size() == names.size());

  auto same = [&](const std::vector<std::string> &found, auto &&expected) {
    REQUIRE(found.size() == names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (found[i] == expected(names[i])) continue;
      CAPTURE(i);
      CAPTURE(names[i].substr(0, 60));
      FAIL_CHECK("came back as " << found[i].substr(0, 60));
    }
  };
  // Only NUL, which no text format can hold, is replaced.
  auto exactly = [](const std::string &name) {
    return name.find('\0') == std::string::npos ? name : std::string("nul\uFFFDbyte");
  };
  auto each = [](std::vector<std::string> texts, auto &&change) {
    for (auto &text : texts) text = change(text);
    return texts;
  };

  std::vector<std::string> labels;
  for (const Track &track : session.tracks) labels.push_back(track.label());
  same(labels, exactly);

  const std::string page = html_page(session, "t", as_is);
  same(each(all_between(page, "<bdi class=\"name\">", "</bdi>"), unmarked), exactly);
  CHECK(all_between(page, "<script>", "</script>").size() == 1);
  const std::string vtt = web_vtt(session);
  same(each(all_between(vtt, "\n<v ", ">"), unmarked), exactly);
  CHECK(count_of(vtt, '\n') == 1 + 4 * names.size());
  same(csv_names(csv(session)), exactly);
  const std::string rpp = reaper_project(session, as_is);
  same(each(all_between(rpp, " name ", "\n"),
            [](const std::string &text) { return nlohmann::json::parse(text).get<std::string>(); }),
       exactly);
  CHECK(count_of(rpp, '\n') == 5 + 13 * names.size());
  // Formats without escapes: control characters are spaces, nothing else changes.
  const std::string audacity = audacity_labels(session);
  same(all_between("\n" + audacity, "\t", "\n").size() == names.size()
           ? each(all_between("\n" + audacity, "\t", "\n"),
                  [](const std::string &text) { return text.substr(text.find('\t') + 1); })
           : std::vector<std::string>{},
       [&](const std::string &name) { return one_line(exactly(name)); });
  const std::string turns = rttm(session, "call");
  CHECK(count_of(turns, '\n') == names.size());
  CHECK(count_of(turns, ' ') == 9 * names.size());
}
