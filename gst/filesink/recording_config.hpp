// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ext/wire/ids.hpp"
#include "gst/filesink/naming.hpp"
#include "gst/glue/ref.hpp"

namespace dv {

enum class Durability : std::uint8_t { none, process, power };

struct RecordingConfig {
  std::string location;
  std::vector<TrackFormat> formats{TrackFormat::wav};  ///< the first one is the index's
  Ref<GObject> profile;  ///< a GstEncodingProfile, for TrackFormat::profile
  std::string profile_extension = "bin";
  bool mix = false;
  bool silence = true;
  bool from_first = false;
  bool overwrite = false;
  Durability durability = Durability::power;
  Time max_queued = 20s;
  Time max_file_time{};             ///< length of a part; 0: one file per track
  std::uint64_t max_file_size = 0;  ///< bytes after which another part begins; 0: any
  bool cut_pauses = false;          ///< the time line stands still while paused
  bool paused = false;              ///< from the start
  std::string index_location;       ///< empty: none
  bool continues = true;            ///< go on with the recording that the index holds unfinished
  std::uint32_t exports = 0;        ///< exporter::Format flags: made from the index at the end
  Time wall_start{};                ///< since 1970, when the recording was started
};

struct RecordingCounters {
  std::uint64_t tracks = 0, open_tracks = 0, failed_tracks = 0, frames = 0, samples = 0,
                silence_samples = 0, overlaps = 0, overlap_samples = 0, drift_samples = 0,
                bytes = 0, dropped_queue_full = 0, dropped_failed = 0, dropped_paused = 0,
                malformed = 0, markers = 0;
};

}  // namespace dv
