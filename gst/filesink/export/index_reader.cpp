// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "gst/filesink/export/session.hpp"
#include "gst/filesink/peaks.hpp"

namespace dv::exporter {
namespace {

using nlohmann::json;

/** A line up to the line feed; false at the end. Too long ones come back empty. */
bool read_line(std::istream &in, std::string &line, std::size_t limit, bool &too_long) {
  line.clear();
  too_long = false;
  std::streambuf *buffer = in.rdbuf();
  int c = buffer->sbumpc();
  if (c == std::char_traits<char>::eof()) return false;
  for (; c != std::char_traits<char>::eof() && c != '\n'; c = buffer->sbumpc()) {
    if (line.size() < limit) {
      line += static_cast<char>(c);
    } else {
      too_long = true;
    }
  }
  return true;
}

std::size_t step_of(const Spurt &whole, const Spurt &piece) {
  return static_cast<std::size_t>((piece.start - whole.start + kPeakStep / 2) / kPeakStep);
}

bool joins(const Spurt &last, const Spurt &next) {
  // Times of the index are cut to whole microseconds.
  constexpr Time kSeam{2000};
  const Time between = next.start - last.end;
  if (between < -kSeam || between > kSeam || last.peaks.empty() != next.peaks.empty()) return false;
  return next.peaks.empty() || step_of(last, next) <= last.peaks.size() + 1;
}

class Reader {
 public:
  explicit Reader(const Limits &limits) : limits_(limits) {}

  IndexLog run(std::istream &in) {
    std::string line;
    bool too_long = false;
    while (read_line(in, line, limits_.line_bytes, too_long)) {
      if (line.empty() && !too_long) continue;
      ++log_.lines;
      if (too_long || !take(line)) ++log_.bad_lines;
    }
    end_session();
    return std::move(log_);
  }

 private:
  bool take(const std::string &line) {
    const json parsed = json::parse(line, nullptr, false);
    if (!parsed.is_object()) return false;
    object_ = &parsed;
    ok_ = true;
    const std::string type = text("type");
    if (type == "recording") return recording();
    if (log_.sessions.empty() || ended_) return false;
    static const std::map<std::string, bool (Reader::*)()> kinds = {
        {"clock", &Reader::clock},
        {"user", &Reader::user},
        {"spurt", &Reader::spurt},
        {"gap", &Reader::gap},
        {"marker", &Reader::marker},
        {"anchor", &Reader::anchor},
        {"track-opened", &Reader::track_opened},
        {"part-opened", &Reader::file_opened},
        {"part-closed", &Reader::file_closed},
        {"track-closed", &Reader::track_closed},
        {"copy-opened", &Reader::other_opened},
        {"copy-closed", &Reader::other_closed},
        {"mix-opened", &Reader::other_opened},
        {"mix-closed", &Reader::other_closed},
        {"end", &Reader::end},
    };
    const auto kind = kinds.find(type);
    // Lines of a kind that this version does not know are no mistake.
    if (kind == kinds.end()) return ok_ && !type.empty();
    return (this->*kind->second)();
  }

  // Fields: absent or wrong ones clear `ok_`.
  const json *find(const char *key) {
    const auto it = object_->find(key);
    return it == object_->end() ? nullptr : &*it;
  }
  std::string text(const char *key) {
    const json *value = find(key);
    const auto *string = value != nullptr ? value->get_ptr<const std::string *>() : nullptr;
    if (string == nullptr || string->size() > limits_.text_bytes) {
      ok_ = false;
      return {};
    }
    std::string out;
    for (const char c : *string) {
      // No text format has room for it.
      if (c == '\0') {
        out += "\xef\xbf\xbd";
      } else {
        out += c;
      }
    }
    return out;
  }
  std::uint64_t number(const char *key, std::uint64_t limit = UINT64_MAX) {
    const json *value = find(key);
    if (value != nullptr && value->is_number_unsigned()) {
      const auto n = value->get<std::uint64_t>();
      if (n <= limit) return n;
    }
    ok_ = false;
    return 0;
  }
  UserId id(const char *key) {
    const std::string digits = text(key);
    UserId out = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (error != std::errc() || end != digits.data() + digits.size()) ok_ = false;
    return out;
  }
  Time seconds(const char *key, Time limit) {
    const json *value = find(key);
    const double s = value != nullptr && value->is_number() ? value->get<double>() : NAN;
    if (!(s >= 0 && s <= std::chrono::duration<double>(limit).count())) {
      ok_ = false;
      return {};
    }
    return std::chrono::microseconds(std::llround(s * 1e6));
  }
  Time at(const char *key) { return seconds(key, limits_.time) + shift_; }
  Time wall(const char *key) { return seconds(key, std::chrono::hours(24 * 365 * 200)); }
  bool room() { return ++items_ <= limits_.items; }

  Session &session() { return log_.sessions.back(); }
  /** By its number, made when new. */
  Track *track() {
    const std::uint64_t n = number("track");
    const UserId who = id("user");
    if (!ok_) return nullptr;
    const auto it = by_number_.find(n);
    if (it != by_number_.end()) return &session().tracks[it->second];
    if (n > limits_.tracks || session().tracks.size() >= limits_.tracks) return nullptr;
    by_number_[n] = session().tracks.size();
    session().tracks.push_back({});
    Track &fresh = session().tracks.back();
    fresh.number = static_cast<unsigned>(n);
    fresh.user = who;
    return &fresh;
  }
  void reached(Time time) { session().duration = std::max(session().duration, time); }

  bool recording() {
    const Time start = wall("start-unix");
    const std::string location = text("location");
    if (!ok_) return false;
    const json *more = find("continues");
    if (more != nullptr && more->is_boolean() && more->get<bool>() && !log_.sessions.empty()) {
      // Its own zero is known with its clock; until then the start has to do.
      ++session().runs;
      session().complete = ended_ = false;
      clock_known_ = false;
      before_ = session().duration;
      set_zero(start);
      return true;
    }
    if (log_.sessions.size() >= limits_.sessions) return false;
    end_session();
    log_.sessions.push_back({});
    session().start_unix = session().started = start;
    session().location = location;
    by_number_.clear();
    names_.clear();
    shift_ = {};
    clock_known_ = ended_ = false;
    return true;
  }
  void set_zero(Time unix) {
    if (session().runs == 1) {
      session().start_unix = unix;
    } else {
      // Without a live source running time has nothing to do with the time of day.
      shift_ =
          std::clamp(unix - session().start_unix, std::min(before_, limits_.time), limits_.time);
      session().run_zero = shift_;
    }
  }
  bool clock() {
    const Time running = seconds("at", limits_.time), unix = wall("unix");
    if (!ok_) return false;
    // After a pause running time falls behind the time of day; the first one holds.
    if (!std::exchange(clock_known_, true)) set_zero(unix - running);
    return true;
  }
  bool user() {
    const UserId who = id("user");
    const std::string name = text("name");
    if (!ok_ || names_.size() > limits_.tracks) return false;
    names_[who] = name;
    return true;
  }
  bool track_opened() {
    const std::string name = text("name");
    const std::uint64_t ssrc = number("ssrc", UINT32_MAX);
    Track *found = track();
    if (!ok_ || found == nullptr) return false;
    found->ssrc = static_cast<Ssrc>(ssrc);
    if (!name.empty()) found->name = name;
    return file_opened();
  }
  void note_part() {
    constexpr std::uint64_t kMaxPart = 1000000;
    const json *part = find("part");
    if (part == nullptr || !part->is_number_unsigned()) return;
    const auto n = std::min(part->get<std::uint64_t>(), kMaxPart);
    session().last_part = std::max(session().last_part, static_cast<unsigned>(n));
  }
  bool file_opened() {
    note_part();
    const std::string path = text("file");
    const Time start = at("start");
    Track *found = track();
    if (!ok_ || found == nullptr || path.empty() || !room()) return false;
    found->files.push_back({path, start, start - Time(1)});
    return true;
  }
  bool file_closed() {
    const std::string path = text("file");
    const Time start = at("start"), finish = at("end");
    Track *found = track();
    if (!ok_ || found == nullptr || finish < start) return false;
    reached(finish);
    auto it = std::find_if(found->files.rbegin(), found->files.rend(),
                           [&](const MediaFile &file) { return file.path == path; });
    if (it == found->files.rend()) return path.empty();
    it->start = start;
    it->end = finish;
    return true;
  }
  bool other_opened() {
    note_part();
    const std::string path = text("file");
    const Time start = at("start");
    if (!ok_ || path.empty() || !room()) return false;
    session().others.push_back({path, start, start - Time(1)});
    return true;
  }
  bool other_closed() {
    const std::string path = text("file");
    const Time start = at("start"), finish = at("end");
    if (!ok_ || finish < start) return false;
    for (auto &file : session().others) {
      if (file.path == path) file = {path, start, finish};
    }
    return true;
  }
  bool track_closed() {
    for (const char *key : {"speech-length", "lost-length", "concealed-length"}) {
      if (find(key) != nullptr) seconds(key, limits_.time);
    }
    const json *loudness = find("loudness");
    Track *found = track();
    if (loudness != nullptr && loudness->is_number() && found != nullptr) {
      const double lufs = loudness->get<double>();
      if (lufs >= -200 && lufs <= 100) found->loudness = lufs;
    }
    return file_closed();
  }
  bool spurt() {
    const Time start = at("start"), length = seconds("length", limits_.time);
    Track *found = track();
    if (!ok_ || found == nullptr || !room()) return false;
    Spurt fresh{start, start + length, {}};
    if (find("peaks") != nullptr) {
      const auto peaks = decode_peaks(text("peaks"));
      if (!ok_ || !peaks) return false;
      fresh.peaks = *peaks;
    }
    reached(fresh.end);
    Spurt *last = found->spurts.empty() ? nullptr : &found->spurts.back();
    if (last != nullptr && joins(*last, fresh)) {
      last->end = fresh.end;
      // Steps count from the start of the whole, so that rounding does not add up.
      last->peaks.resize(fresh.peaks.empty() ? 0 : step_of(*last, fresh));
      last->peaks.insert(last->peaks.end(), fresh.peaks.begin(), fresh.peaks.end());
    } else {
      found->spurts.push_back(std::move(fresh));
    }
    return true;
  }
  bool gap() {
    const Time start = at("start"), length = seconds("length", limits_.time);
    const std::string reason = text("reason");
    Track *found = track();
    if (!ok_ || found == nullptr || !room()) return false;
    found->gaps.push_back({start, start + length, reason == "concealed"});
    return true;
  }
  bool marker() {
    const Time when = at("at");
    const std::string what = text("text");
    if (!ok_ || !room()) return false;
    session().markers.push_back({when, what});
    reached(when);
    return true;
  }
  /** The RTP times are for whoever has the packets; out of range they are told all the same. */
  bool anchor() {
    for (const char *key : {"session", "ssrc", "rtp"}) number(key, UINT32_MAX);
    const Tie tie{at("at"), wall("unix")};
    id("user");
    if (find("arrival") != nullptr) at("arrival");
    if (!ok_ || !room()) return false;
    session().ties.push_back(tie);
    return true;
  }
  bool end() {
    const Time duration = at("duration");
    if (!ok_) return false;
    reached(duration);
    session().complete = ended_ = true;
    return true;
  }
  void end_session() {
    if (log_.sessions.empty()) return;
    auto &tracks = session().tracks;
    for (Track &track : tracks) {
      if (const auto it = names_.find(track.user); it != names_.end()) track.name = it->second;
      std::stable_sort(track.spurts.begin(), track.spurts.end(),
                       [](const Spurt &a, const Spurt &b) { return a.start < b.start; });
    }
    std::stable_sort(tracks.begin(), tracks.end(),
                     [](const Track &a, const Track &b) { return a.number < b.number; });
    std::stable_sort(session().markers.begin(), session().markers.end(),
                     [](const Marker &a, const Marker &b) { return a.at < b.at; });
    std::stable_sort(session().ties.begin(), session().ties.end(),
                     [](const Tie &a, const Tie &b) { return a.at < b.at; });
  }

  const Limits &limits_;
  IndexLog log_;
  const json *object_ = nullptr;
  bool ok_ = true, ended_ = false, clock_known_ = false;
  std::map<std::uint64_t, std::size_t> by_number_;
  std::map<UserId, std::string> names_;
  Time shift_{};   ///< of the run that is read, against the first
  Time before_{};  ///< how far the runs before it came
  std::size_t items_ = 0;
};

}  // namespace

IndexLog read_index(std::istream &in, const Limits &limits) { return Reader(limits).run(in); }

}  // namespace dv::exporter
