// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <string>

#include "gst/filesink/export/session.hpp"

namespace dv::exporter {

/** Where a file of the recording is, seen from the directory the export goes to. */
using Locate = std::function<std::string(const MediaFile &file)>;

/** Audacity: start, end, label; spurts under the speakers' names, and markers. */
std::string audacity_labels(const Session &session);
/** Audacity's list of files with their offsets. */
std::string audacity_files(const Session &session, const Locate &locate);
/** A Reaper project: a track per speaker, markers, and all names exactly in the notes. */
std::string reaper_project(const Session &session, const Locate &locate);
/** WebVTT: a cue per spurt, with the speaker's name as voice. */
std::string web_vtt(const Session &session);
/** RTTM as of NIST's RT-09 evaluation plan; speakers are user ids. */
std::string rttm(const Session &session, const std::string &recording);
/** RFC 4180: who spoke when, what is missing, markers. */
std::string csv(const Session &session);
/** One page without any external resource but the recordings themselves. */
std::string html_page(const Session &session, const std::string &title, const Locate &locate);

}  // namespace dv::exporter
