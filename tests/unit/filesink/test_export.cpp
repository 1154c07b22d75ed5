// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "export_support.hpp"
#include "gst/filesink/export/export.hpp"
#include "gst/filesink/export/formats.hpp"
#include "gst/filesink/export/text.hpp"
#include "gst/filesink/json_line.hpp"
#include "gst/filesink/peaks.hpp"
#include "temp_dir.hpp"

using namespace dv;
using namespace dv::exporter;

namespace {

const std::vector<std::string> kNames = {
    "plain",
    "\"quoted\" 'twice' `thrice`",
    "line\nfeed\r\nand\ttab",
    "</script><script>alert(1)</script>",
    "</bdi><b onclick=\"x\">",
    "a --> b & &amp; &#10;",
    "\xe2\x80\xae"
    "desrever \xe2\x80\xa8 \xf0\x9f\xa6\x8a",
    "\x01\x1f\x7f control",
    ">\n  <TRACK\n    NAME evil",
    "=1+1,\"x\"",
    " spaces  kept ",
    std::string(10000, 'x') + "\xc3\xa9",
};

std::string recording_line(const char *more = "", double start = 1000) {
  std::ostringstream out;
  out << R"({"type":"recording","version":1,"start-unix":)" << start
      << R"(,"location":"d/%u.wav","extension":"wav")" << more << "}\n";
  return out.str();
}

std::string one_speaker(const std::string &name) {
  return recording_line() + JsonLine("user").id("user", 42).text("name", name).str() +
         R"({"type":"track-opened","track":1,"user":"42","ssrc":7,"name":"","file":"d/42.wav","start":0})"
         "\n"
         R"({"type":"spurt","track":1,"user":"42","start":1.5,"length":2,"peaks":"A_"})"
         "\n" +
         JsonLine("marker").seconds("at", 2s).text("text", name).str() +
         R"({"type":"track-closed","track":1,"user":"42","file":"d/42.wav","start":0,"end":5})"
         "\n"
         R"({"type":"end","reason":"eos","duration":5})"
         "\n";
}

IndexLog read(const std::string &text, const Limits &limits = {}) {
  std::istringstream in(text);
  return read_index(in, limits);
}

Session session_of(const std::string &text) {
  auto log = read(text);
  REQUIRE(log.sessions.size() == 1);
  CHECK(log.bad_lines == 0);
  return log.sessions[0];
}

std::string between(const std::string &text, const std::string &from, const std::string &to,
                    std::size_t at = 0) {
  const auto start = text.find(from, at);
  REQUIRE(start != std::string::npos);
  const auto end = text.find(to, start + from.size());
  REQUIRE(end != std::string::npos);
  return text.substr(start + from.size(), end - start - from.size());
}

std::string without_markup(std::string text) {
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

}  // namespace

TEST_CASE("names come back exactly from every export") {
  for (const std::string &name : kNames) {
    CAPTURE(name.substr(0, 60));
    const Session session = session_of(one_speaker(name));
    REQUIRE(session.tracks.size() == 1);
    CHECK(session.tracks[0].label() == name);
    CHECK(session.markers.at(0).text == name);

    const std::string page = html_page(session, "t", as_is);
    CHECK(without_markup(between(page, "<bdi class=\"name\">", "</bdi>")) == name);
    CHECK(without_markup(between(page, "<bdi class=\"marker\">", "</bdi>")) == name);

    const std::string vtt = web_vtt(session);
    CHECK(without_markup(between(vtt, "<v ", ">")) == name);
    CHECK(std::count(vtt.begin(), vtt.end(), '\n') == 5);

    std::string quoted = name;
    for (std::size_t at = 0; (at = quoted.find('"', at)) != std::string::npos; at += 2) {
      quoted.insert(at, 1, '"');
    }
    CHECK(csv(session).find(",1,\"42\",\"" + quoted + "\",\"\",1970-01-01T00:16:41.500Z\r\n") !=
          std::string::npos);

    const std::string rpp = reaper_project(session, as_is);
    const auto noted = nlohmann::json::parse(between(rpp, "user 42 name ", "\n"));
    CHECK(noted == name);
    CHECK(std::count(rpp.begin(), rpp.end(), '\n') == 19);

    const std::string labels = audacity_labels(session);
    CHECK(std::count(labels.begin(), labels.end(), '\n') == 2);
    CHECK(std::count(labels.begin(), labels.end(), '\t') == 4);
  }
}

TEST_CASE("what the exports say") {
  const Session session = session_of(one_speaker("Ann"));
  CHECK(session.complete);
  CHECK(session.duration == 5s);
  CHECK(audacity_labels(session) == "1.500000\t3.500000\tAnn\n2.000000\t2.000000\tAnn\n");
  CHECK(audacity_files(session, as_is) == "window offset 0\nfile \"d/42.wav\" offset 0.000000\n");
  CHECK(web_vtt(session) == "WEBVTT\n\n1\n00:00:01.500 --> 00:00:03.500\n<v Ann>Ann\n");
  CHECK(rttm(session, "my call") == "SPEAKER my_call 1 1.500000 2.000000 <NA> <NA> 42 <NA> <NA>\n");
  CHECK(csv(session) ==
        "start,end,length,kind,track,user,name,text,utc\r\n"
        "1.500000,3.500000,2.000000,speech,1,\"42\",\"Ann\",\"\",1970-01-01T00:16:41.500Z\r\n"
        "2.000000,2.000000,0.000000,marker,,,,\"Ann\",1970-01-01T00:16:42.000Z\r\n");
  const std::string rpp = reaper_project(session, as_is);
  CHECK(rpp.find("      POSITION 0.000000\n      LENGTH 5.000000\n") != std::string::npos);
  CHECK(rpp.find("<SOURCE WAVE\n        FILE \"d/42.wav\"\n") != std::string::npos);
}

TEST_CASE("a Reaper string takes the quotes that are free") {
  CHECK(rpp_string("a b") == "\"a b\"");
  CHECK(rpp_string("a\"b") == "'a\"b'");
  CHECK(rpp_string("a\"'b") == "`a\"'b`");
  CHECK(rpp_string("\"'`") == "`\"''`");
  CHECK(rpp_exact("a\"'b"));
  CHECK_FALSE(rpp_exact("\"'`"));
  CHECK_FALSE(rpp_exact("a\nb"));
}

TEST_CASE("paths in the page are paths") {
  CHECK(url_path("a b.wav") == "./a%20b.wav");
  CHECK(url_path("javascript:alert(1)") == "./javascript%3Aalert%281%29");
  CHECK(url_path("//host/x") == "/host/x");
  CHECK(url_path("../x/100%.wav") == "../x/100%25.wav");
  CHECK(url_path("é\"?#.wav") == "./%C3%A9%22%3F%23.wav");
}

TEST_CASE("bad lines are skipped and counted") {
  static const char *const bad[] = {
      "{\"type\":\"spu",
      "[]",
      "nonsense",
      "{\"no\":\"type\"}",
      R"({"type":"spurt","track":1,"user":"42","start":-1,"length":2})",
      R"({"type":"spurt","track":1,"user":"42","start":1e300,"length":2})",
      R"({"type":"spurt","track":1,"user":"42","start":"1","length":2})",
      R"({"type":"spurt","track":1,"user":"x","start":1,"length":2})",
      R"({"type":"spurt","track":1,"user":"42","start":1,"length":2,"peaks":"a b"})",
      R"({"type":"spurt","track":18446744073709551615,"user":"42","start":1,"length":2})",
      R"({"type":"track-opened","track":2,"user":"1","ssrc":1,"name":"n","start":0})",
      R"({"type":"track-closed","track":1,"user":"42","file":"d/42.wav","start":9,"end":5})",
      R"({"type":"anchor","at":-1,"user":"42","session":1,"ssrc":7,"rtp":5,"unix":1000})",
      R"({"type":"anchor","at":1,"user":"42","session":1,"ssrc":7,"rtp":4294967296,"unix":1000})",
      R"({"type":"anchor","at":1,"user":"42","session":1,"ssrc":-7,"rtp":5,"unix":1000})",
      R"({"type":"anchor","at":1,"user":"42","session":1,"ssrc":7,"rtp":5,"unix":1e300})",
      R"({"type":"anchor","at":1,"user":"42","session":1,"ssrc":7,"rtp":5,"unix":9,"arrival":"1"})",
      R"({"type":"anchor","at":1,"session":1,"ssrc":7,"rtp":5,"unix":1000})",
      R"({"type":"track-closed","track":1,"user":"42","file":"d/42.wav","start":0,"end":5,)"
      R"("lost-length":-1})",
      R"({"type":"end","duration":null})",
      "{\"type\":\"user\",\"user\":\"1\",\"name\":\"\xff\"}",
  };
  for (const char *line : bad) {
    CAPTURE(line);
    std::string text = one_speaker("Ann");
    text.insert(text.find("{\"type\":\"end\""), std::string(line) + "\n");
    const IndexLog log = read(text);
    CHECK(log.bad_lines == 1);
    REQUIRE(log.sessions.size() == 1);
    CHECK(csv(log.sessions[0]).find("1.500000,3.500000,2.000000,speech") != std::string::npos);
  }
  const IndexLog nested = read(recording_line() + std::string(500000, '[') + "\n");
  CHECK(nested.bad_lines == 1);
  CHECK(read("").sessions.empty());
  CHECK(read(R"({"type":"end","duration":1})").bad_lines == 1);
  CHECK(session_of(recording_line() + "{\"type\":\"of-a-later-version\"}\n").tracks.empty());
}

TEST_CASE("anchors and figures of quality are no bad lines") {
  std::string text = one_speaker("Ann");
  const auto closed = text.find(R"("start":0,"end":5)");
  text.insert(closed, R"("gaps":2,"speech-length":2,"lost-length":0.02,"concealed-length":0,)");
  text.insert(text.find("{\"type\":\"spurt\""),
              R"({"type":"anchor","at":1.5,"user":"42","session":1,"ssrc":7,"rtp":4294967295,)"
              R"("arrival":1.512,"unix":1001.5})"
              "\n");
  const Session session = session_of(text);
  CHECK(session.tracks.at(0).files.at(0).end == 5s);
}

TEST_CASE("the time of day is that of the last anchor before") {
  auto anchor = [](int at, double unix) {
    return R"({"type":"anchor","at":)" + std::to_string(at) +
           R"(,"user":"42","session":1,"ssrc":7,"rtp":0,"unix":)" + std::to_string(unix) + "}\n";
  };
  // The clock was put right after two seconds; lines of two speakers may come in any order.
  const Session session =
      session_of(recording_line() + anchor(2, 1062.5) + anchor(1, 1001.25) + anchor(2, 1062.5));
  CHECK(session.unix_at(500ms) == 1000s + 500ms);
  CHECK(session.unix_at(1s) == 1001s + 250ms);
  CHECK(session.unix_at(1999ms) == 1002s + 249ms);
  CHECK(session.unix_at(5s) == 1065s + 500ms);
  CHECK(session_of(recording_line()).unix_at(5s) == 1005s);
}

TEST_CASE("limits hold") {
  std::string text = recording_line();
  for (int i = 1; i <= 50; ++i) {
    text += R"({"type":"spurt","track":)" + std::to_string(i) + R"(,"user":"1","start":)" +
            std::to_string(i) + R"(,"length":0.1})" + "\n";
  }
  Limits limits;
  limits.tracks = 20;
  IndexLog log = read(text, limits);
  CHECK(log.sessions.at(0).tracks.size() == 20);
  CHECK(log.bad_lines == 30);
  limits = {};
  limits.items = 7;
  CHECK(read(text, limits).bad_lines == 43);
  limits = {};
  limits.line_bytes = 60;
  CHECK(read(text, limits).sessions.empty());
  limits = {};
  limits.sessions = 1;
  CHECK(read(recording_line() + recording_line(), limits).bad_lines == 1);
}

TEST_CASE("pieces of a spurt are one again, with their waveform in place") {
  auto piece = [](double start, double length, const std::string &peaks) {
    std::ostringstream out;
    out.precision(9);
    out << R"({"type":"spurt","track":1,"user":"1","start":)" << start << R"(,"length":)" << length
        << R"(,"peaks":")" << peaks << "\"}\n";
    return out.str();
  };
  const Session session = session_of(recording_line() + piece(1, 0.25, "BCD") +
                                     piece(1.250001, 0.2, "EF") + piece(2, 0.1, "G"));
  const auto &spurts = session.tracks.at(0).spurts;
  REQUIRE(spurts.size() == 2);
  CHECK(spurts[0].start == 1s);
  CHECK(spurts[0].end == Time(1450001000));
  CHECK(spurts[0].peaks == std::vector<std::uint8_t>{1, 2, 3, 4, 5});
  CHECK(spurts[1].peaks == std::vector<std::uint8_t>{6});
}

TEST_CASE("a continued recording is one, on the wall clock of the first") {
  auto run = [](const char *more, double start, double zero, const char *file) {
    std::ostringstream out;
    out << recording_line(more, start) << R"({"type":"clock","at":0.5,"unix":)" << zero + 0.5
        << "}\n"
        << R"({"type":"track-opened","track":1,"user":"1","ssrc":1,"name":"n","file":")" << file
        << R"(","start":0})"
        << "\n"
        << R"({"type":"spurt","track":1,"user":"1","start":1,"length":1})"
        << "\n";
    return out.str();
  };
  const Session session =
      session_of(run("", 1000, 1001, "a.wav") + run(",\"continues\":true", 1100, 1101, "a-2.wav"));
  CHECK(session.runs == 2);
  CHECK(session.start_unix == 1001s);
  REQUIRE(session.tracks.size() == 1);
  REQUIRE(session.tracks[0].files.size() == 2);
  CHECK(session.tracks[0].files[1].start == 100s);
  REQUIRE(session.tracks[0].spurts.size() == 2);
  CHECK(session.tracks[0].spurts[1].start == 101s);
  CHECK_FALSE(session.complete);
}

TEST_CASE("amplitudes keep their order and form") {
  CHECK(quantized_peak(0) == 0);
  CHECK(quantized_peak(1) == 63);
  CHECK(quantized_peak(2) == 63);
  CHECK(amplitude_of(63) == 1.0F);
  const std::vector<std::uint8_t> values{0, 25, 26, 51, 52, 61, 62, 63};
  CHECK(encode_peaks(values) == "AZaz09-_");
  CHECK(decode_peaks("AZaz09-_") == values);
  CHECK_FALSE(decode_peaks("A+"));
  const Bytes s16{0, 0, 0, 0x80, 0xff, 0x7f};
  CHECK(peak_of(s16, false) == 1.0F);
}

TEST_CASE("exports are found beside the index, whole and private, and replace older ones") {
  TempDir dir;
  std::ofstream(dir / "42.wav.part") << "x";
  std::ofstream(dir / "call.jsonl") << one_speaker("Ann") << one_speaker("Bob");
  std::ofstream(dir / "call.csv") << "old";
  std::ofstream(dir / "call.csv.part") << "left behind";
  const Result result = export_index(dir / "call.jsonl", kAll, "");
  CHECK_FALSE(result.error);
  CHECK(result.sessions == 2);
  CHECK(result.files.size() == 14);
  struct stat st {};
  for (const char *name : {"call.csv", "call.html", "call.labels.txt", "call.lof", "call.rpp",
                           "call.rttm", "call.vtt", "call-2.csv"}) {
    CAPTURE(name);
    REQUIRE(stat((dir / name).c_str(), &st) == 0);
    CHECK((st.st_mode & 0777) == 0600);
  }
  CHECK(read_text(dir / "call.csv").find("Ann") != std::string::npos);
  CHECK(read_text(dir / "call-2.csv").find("Bob") != std::string::npos);
  // The directory of the index says `d/42.wav`; the file is beside it, not complete.
  CHECK(read_text(dir / "call.lof").find("file \"42.wav.part\"") != std::string::npos);
}

TEST_CASE("an export that is impossible says why") {
  TempDir dir;
  CHECK(export_index(dir / "none.jsonl", kAll, "").error->code == ENOENT);
  CHECK(export_index(dir.path(), kAll, "").error->code == EINVAL);
  std::ofstream(dir / "a.csv") << one_speaker("Ann");
  CHECK(export_index(dir / "a.csv", kCsv, "").error->code == EEXIST);
  CHECK(read_text(dir / "a.csv") == one_speaker("Ann"));
  CHECK(export_index(dir / "a.csv", kVtt, dir / "missing").error->code == ENOENT);
}

TEST_CASE("formats are named") {
  CHECK(parse_formats("all") == kAll);
  CHECK(parse_formats("csv") == kCsv);
  CHECK(parse_formats("csv,html") == (kCsv | kHtml));
  for (const char *wrong : {"", "csv,", ",", "CSV", "word"}) CHECK_FALSE(parse_formats(wrong));
}
