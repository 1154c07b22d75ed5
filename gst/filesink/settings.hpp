// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>
#include <gst/pbutils/encoding-profile.h>

#include <optional>
#include <string>
#include <vector>

#include "gst/filesink/recording.hpp"

namespace dv {

/** Values of the flags behind the property `format`; none of them: automatic. */
enum FormatFlag : guint { kFormatWav = 1, kFormatMp3 = 2, kFormatFlac = 4, kFormatOpus = 8 };

enum class PauseTimeline : gint { keep, cut };

enum class Alignment : gint { recording, first_frame };

/** The properties of discordfilesink that a recording is made from, with their defaults. */
struct SinkSettings {
  std::string location = "%u-%n.%x";
  guint formats = 0;
  GstEncodingProfile *profile = nullptr;
  Alignment alignment = Alignment::recording;
  gboolean silence = TRUE;
  gboolean mix = FALSE;
  gboolean paused = FALSE;
  PauseTimeline pause_timeline = PauseTimeline::keep;
  gboolean overwrite = FALSE;
  Durability durability = Durability::power;
  guint64 max_size_time = 20 * GST_SECOND;
  guint64 max_file_time = 0;
  guint64 max_file_size = 0;
  std::string index_location;
  gboolean continues = TRUE;
  guint exports = 0;

  SinkSettings() = default;
  SinkSettings(const SinkSettings &) = delete;
  SinkSettings &operator=(const SinkSettings &) = delete;
  ~SinkSettings() { g_clear_object(&profile); }

  std::vector<TrackFormat> resolved_formats() const;
  /** Why these settings do not go together, or nothing. */
  std::optional<std::string> contradiction() const;
  /** What a recording that starts now needs to know. */
  RecordingConfig config() const;
};

enum SinkProperty : guint {
  kPropNone,
  kPropLocation,
  kPropFormat,
  kPropProfile,
  kPropLatency,
  kPropAlignment,
  kPropSilence,
  kPropOverwrite,
  kPropDurability,
  kPropMaxSizeTime,
  kPropMaxFileTime,
  kPropMaxFileSize,
  kPropMix,
  kPropPaused,
  kPropPauseTimeline,
  kPropIndexLocation,
  kPropContinue,
  kPropExport,
  kPropStats,
  kPropCount,
};

void install_sink_properties(GObjectClass *klass);
/** False for a property that is none of the settings. */
bool set_sink_setting(SinkSettings &settings, guint id, const GValue *value);
bool get_sink_setting(const SinkSettings &settings, guint id, GValue *value);

Time wall_now();

}  // namespace dv
