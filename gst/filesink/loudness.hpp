// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "ext/wire/bytes.hpp"
#include "gst/filesink/wav_header.hpp"

namespace dv {

/**
 * Integrated loudness of one track (EBU R 128). Needs the same memory for a minute and for a day.
 * Silence between spurts need not be fed: the gate of the measure leaves it out anyway.
 */
class LoudnessMeter {
 public:
  explicit LoudnessMeter(const PcmFormat &format);
  ~LoudnessMeter();
  LoudnessMeter(const LoudnessMeter &) = delete;
  LoudnessMeter &operator=(const LoudnessMeter &) = delete;

  void add(ByteView samples);
  /** In LUFS; nothing when all of it was too quiet or too short (0.4 s) to say. */
  std::optional<double> integrated() const;

 private:
  template <class Sample>
  void measure(ByteView samples);

  PcmFormat format_;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dv
