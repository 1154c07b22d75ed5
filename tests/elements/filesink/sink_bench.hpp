// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ext/wire/bytes.hpp"

namespace bench {

constexpr guint kFrame = 960;  // samples of 20 ms

/** Ends the process when untrue; works without a test around it. */
void require(bool holds, const char *what);

struct Message {
  std::string name;  // of the element message, or "error", "warning", "eos"
  std::string text;  // of errors and warnings
  std::string location, reason, format;
  guint64 user = 0, start = 0, duration = 0, bytes = 0;
  std::map<std::string, guint64> quality;  // of a track that is closed
  gint code = 0;
};

/**
 * A pipeline that holds discordfilesink alone, fed from the test's own thread through a pad: what
 * has been pushed has been taken when the call returns.
 */
class Bench {
 public:
  enum class Input { pcm, opus, live };
  /** `properties` as in a launch line. */
  explicit Bench(const std::string &properties, Input input = Input::pcm);
  ~Bench();
  Bench(const Bench &) = delete;
  Bench &operator=(const Bench &) = delete;

  /** To PLAYING, with caps and segment sent; false when the state change fails. */
  bool start();
  void name(guint64 user, guint32 ssrc, const std::string &name, bool present = true);
  GstFlowReturn push(guint64 user, guint32 ssrc, guint64 seq, GstClockTime at, GstBuffer *buffer,
                     guint32 flags = 0);
  /** 20 ms of the user's own noise, which starts at `at`. */
  GstFlowReturn speak(guint64 user, guint32 ssrc, guint64 seq, GstClockTime at, guint32 flags = 0);
  /** EOS, then waits until the pipeline has it or has failed. */
  bool end();
  /** Waits for a message; what came before is kept in `messages`. False after a minute. */
  bool wait_for(const std::string &name);
  void stop();
  /** To READY; what the bus has is then in `messages`. */
  void unwind();

  GstElement *sink() { return sink_; }
  /** Rate and channels of the samples that are pushed; to be set before `start`. */
  std::string pcm = "rate=48000,channels=2";
  std::vector<Message> messages;
  const Message *find(const std::string &name, guint64 user = 0) const;
  std::size_t count(const std::string &name) const;
  guint64 stat(const char *field);
  /** Waits until that many samples have been written. */
  void wait_written(guint64 samples);

 private:
  void note(GstMessage *message);
  Input input_;
  GstElement *pipeline_ = nullptr, *sink_ = nullptr;
  GstPad *pad_ = nullptr;
};

/** The sample that user says at a position, both channels. */
gint16 noise(guint64 user, std::uint64_t position);
/** An Opus packet of 20 ms with a tone, by libopus through opusenc; the same for the same
 * arguments. */
std::vector<dv::Bytes> opus_packets(unsigned count);

struct Wav {
  unsigned rate = 0, channels = 0;
  std::vector<gint16> samples;  // interleaved
  std::size_t frames() const { return channels == 0 ? 0 : samples.size() / channels; }
};
dv::Bytes read_bytes(const std::string &path);
Wav read_wav(const std::string &path);
/** Any file through decodebin, as S16 stereo 48 kHz. */
Wav decode(const std::string &path);
/** Whether `frames` from `at` on are what the user says there. */
bool is_noise(const Wav &wav, guint64 user, std::size_t at, std::size_t frames, std::uint64_t from);
/**
 * Where exactly the user says what they said from `from` on for `frames`: within 20 ms of that,
 * since times of arrival are estimates. -1 if nowhere.
 */
std::int64_t find_noise(const Wav &wav, guint64 user, std::uint64_t from, std::size_t frames);
bool is_silent(const Wav &wav, std::size_t at, std::size_t frames);

std::string make_dir();
void remove_dir(const std::string &path);
bool exists(const std::string &path);
std::vector<std::string> list(const std::string &path);

}  // namespace bench
