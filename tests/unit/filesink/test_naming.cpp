// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "gst/filesink/naming.hpp"

using namespace dv;

namespace {

struct NameCase {
  std::string_view name, safe;
};

std::string repeat(std::string_view what, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += what;
  return out;
}

}  // namespace

TEST_CASE("hostile names become harmless path components") {
  using namespace std::string_view_literals;
  static const NameCase cases[] = {
      {"Alice", "Alice"},
      {"José Ñandú", "José_Ñandú"},
      {"名前", "名前"},
      {"🦊 fox", "🦊_fox"},
      {"", "unnamed"},
      {".", "unnamed"},
      {"..", "unnamed"},
      {"...", "unnamed"},
      {"/", "unnamed"},
      {"../../x", "x"},
      {"..\\..\\x", "x"},
      {"/etc/passwd", "etc_passwd"},
      {"a/../../b", "a_.._.._b"},
      {"....//....//x", "x"},
      {"C:\\Windows\\x", "C_Windows_x"},
      {"\\\\host\\share", "host_share"},
      {"a\0b"sv, "ab"},
      {"\0"sv, "unnamed"},
      {"a\nb\rc\td", "a_b_c_d"},
      {"\x1b[31mred\x07", "[31mred"},
      {"\x7f", "unnamed"},
      {"\xc2\x80\xc2\x9f x", "x"},
      {"-rf", "rf"},
      {"--version", "version"},
      {".hidden", "hidden"},
      {"trailing.", "trailing"},
      {"trailing ", "trailing"},
      {"a.b.c", "a.b.c"},
      {"CON", "name-CON"},
      {"con.txt", "name-con.txt"},
      {"NUL", "name-NUL"},
      {"Lpt1", "name-Lpt1"},
      {"COM9.wav", "name-COM9.wav"},
      {"COM10", "COM10"},
      {"CONSOLE", "CONSOLE"},
      {"a*b?c\"d<e>f|g", "a_b_c_d_e_f_g"},
      {"$(reboot)", "(reboot)"},
      {"`id`;rm -rf ~", "id_rm_-rf"},
      {"%u%n%s", "u_n_s"},
      {"%2e%2e%2f", "2e_2e_2f"},
      {"\xe2\x80\xae"
       "gpj.exe",
       "gpj.exe"},
      {"a\xe2\x80\x8b"
       "b\xe2\x81\xa6"
       "c\xef\xbb\xbf"
       "d",
       "abcd"},
      {"\xe2\x80\xa8line\xe2\x80\xa9", "line"},
      {"\xe2\x88\x95slash\xef\xbc\x8fslash", "slash_slash"},
      {"\xff\xfe"
       "abc",
       "abc"},
      {"\xc0\xae\xc0\xae\xc0\xaf"
       "x",
       "x"},
      {"\xe0\x80\xaf"
       "x",
       "x"},
      {"\xed\xa0\x80"
       "surrogate",
       "surrogate"},
      {"\xf4\x90\x80\x80"
       "beyond",
       "beyond"},
      {"cut\xe2\x82", "cut"},
      {"\xf3\xa0\x81\x81tag", "tag"},
      {"a   b", "a_b"},
      {"\xe3\x80\x80wide\xc2\xa0space", "wide_space"},
  };
  for (const auto &[name, safe] : cases) {
    CAPTURE(name);
    CHECK(safe_name(name) == safe);
  }
}

TEST_CASE("long names are cut between code points") {
  CHECK(safe_name(repeat("a", 1000)).size() == kMaxNameBytes);
  const std::string foxes = safe_name(repeat("🦊", 100));
  CHECK(foxes == repeat("🦊", kMaxNameBytes / 4));
  CHECK(safe_name(repeat("é", 100)).size() == kMaxNameBytes);
}

TEST_CASE("random names never leave the directory") {
  std::mt19937 random(42);
  static constexpr std::string_view pieces[] = {"/", "\\",   "..", ".", "%",    "\n",
                                                "a", "Z",    "-",  " ", "\xff", "\xe2\x80\xae",
                                                "é", "🦊", ":"};
  for (int i = 0; i < 10000; ++i) {
    std::string name;
    for (unsigned n = random() % 20; n > 0; --n) {
      if (random() % 3 == 0) {
        name += static_cast<char>(random() % 256);
      } else {
        name += pieces[random() % std::size(pieces)];
      }
    }
    const std::string safe = safe_name(name);
    CHECK_FALSE(safe.empty());
    CHECK(safe.size() <= kMaxNameBytes + 5);
    CHECK(safe.find_first_of(std::string("/\\\0\n%", 5)) == std::string::npos);
    CHECK(safe.front() != '.');
    CHECK(safe.front() != '-');
    CHECK(valid_utf8(safe) == safe);
    const std::string path = expand_template("dir/%n-%u.wav", {7, name, 9, 1, 0, "wav"});
    CHECK(directory_of(path) == "dir");
  }
}

TEST_CASE("templates are filled in") {
  const TrackFacts facts{123456789012345678u, "Ann/a", 4242, 3, 1767225600, "flac"};
  CHECK(expand_template("DIR/%u.wav", facts) == "DIR/123456789012345678.wav");
  CHECK(expand_template("%n-%s-%t.%x", facts) == "Ann_a-4242-3.flac");
  CHECK(expand_template("%d/100%%", facts) == "20260101-000000/100%");
  CHECK(expand_template("%u", {0, "", 77, 1, 0, "wav"}) == "unknown-77");
  CHECK(expand_template("%n", {0, "", 77, 1, 0, "wav"}) == "unnamed");
}

TEST_CASE("bad templates are explained") {
  CHECK_FALSE(template_error("DIR/%u-%n-%s-%t-%d-%p.%x"));
  CHECK_FALSE(template_error("a%%b"));
  CHECK(template_error(""));
  CHECK(template_error("dir/"));
  CHECK(template_error("x%"));
  CHECK(template_error("x%q") == std::string("%q is none of %u %n %s %t %d %p %x %%"));
  CHECK(template_error(std::string_view("a\0b", 3)));
}

TEST_CASE("suffixes go before the extension of the last component") {
  CHECK(with_suffix("a.wav", 1) == "a.wav");
  CHECK(with_suffix("a.wav", 2) == "a-2.wav");
  CHECK(with_suffix("d.ir/a", 3) == "d.ir/a-3");
  CHECK(with_suffix("d.ir/a.b.c", 3) == "d.ir/a.b-3.c");
  CHECK(with_suffix("d/.hidden", 2) == "d/.hidden-2");
}

TEST_CASE("directory and format follow from the location") {
  CHECK(directory_of("a.wav") == ".");
  CHECK(directory_of("/a.wav") == "/");
  CHECK(directory_of("/x/y/a.wav") == "/x/y");
  CHECK(format_of_location("x.WAV") == TrackFormat::wav);
  CHECK(format_of_location("x.mp3") == TrackFormat::mp3);
  CHECK(format_of_location("x.flac") == TrackFormat::flac);
  CHECK(format_of_location("x.opus") == TrackFormat::opus);
  CHECK(format_of_location("x.ogg") == TrackFormat::opus);
  CHECK_FALSE(format_of_location("x.%x"));
  CHECK_FALSE(format_of_location("wav"));
}
