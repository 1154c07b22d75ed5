// SPDX-License-Identifier: LGPL-2.1-or-later
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "faults.hpp"
#include "sink_bench.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;

namespace {

constexpr GstClockTime kStep = 20 * GST_MSECOND;
const char *const kFormats[] = {"wav", "mp3", "flac", "opus"};

std::string quoted(const std::string &text) { return "\"" + text + "\""; }

/** The file of a user, whether it could be given its name or not. */
std::string file_of(const std::string &dir, const std::string &name) {
  const std::string path = dir + "/" + name;
  return exists(path) ? path : path + ".part";
}

/** Speaks as users 1 to `users` until the sink refuses or ten seconds are over. */
GstFlowReturn speak_all(Bench &bench, guint32 users) {
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint64 i = 0; i < 500 && flow == GST_FLOW_OK; ++i) {
    for (guint32 user = 1; user <= users && flow == GST_FLOW_OK; ++user) {
      flow = bench.speak(user, user, i, i * kStep);
    }
  }
  return flow;
}

struct Case {
  Fault fault;
  const char *durability;
  bool partly;  ///< what was written before is there
};
const Case kCases[] = {
    {{"write", "", ENOSPC, 30000}, "process", true}, {{"write", "", EIO, 30000}, "process", true},
    {{"write", "", EROFS, 30000}, "process", true},  {{"rename", "", EIO, 0}, "process", true},
    {{"rename", "", EROFS, 0}, "process", true},     {{"sync", "", EIO, 0}, "power", true},
    {{"create", "", EROFS, 0}, "process", false},    {{"create", "", ENOSPC, 0}, "process", false},
};

}  // namespace

GST_START_TEST(one_file_that_fails_is_one_warning_and_the_others_are_whole) {
  const std::string format = kFormats[__i__];
  for (const Case &c : kCases) {
    const std::string dir = make_dir();
    Fault fault = c.fault;
    fault.path = dir + "/1.";
    set_fault(fault);
    Bench bench("format=" + format + " durability=" + c.durability +
                " location=" + quoted(dir + "/%u.%x"));
    fail_unless(bench.start());
    // Who is alone with a file that fails has nothing recorded: that would be an error.
    bench.speak(2, 2, 0, 0);
    fail_unless(bench.wait_for("discordfilesink-track-opened"));
    for (guint64 i = 1; i < 500; ++i) {
      for (guint32 user = 1; user <= 2; ++user) {
        fail_unless_equals_int(bench.speak(user, user, i, i * kStep), GST_FLOW_OK);
      }
    }
    fail_unless(bench.end());
    set_fault({});
    fail_unless_equals_int(bench.count("error"), 0);
    fail_unless(bench.count("warning") == 1, "%s %s: %zu warnings", format.c_str(),
                fault.call.c_str(), bench.count("warning"));
    const std::string text = bench.find("warning")->text;
    fail_unless(text.find(fault.path) != std::string::npos, "%s", text.c_str());
    fail_unless(text.find(strerror(fault.code)) != std::string::npos, "%s", text.c_str());
    const Message *other = bench.find("discordfilesink-track-closed", 2);
    fail_unless_equals_string(other->reason.c_str(), "eos");
    const Wav whole = decode(dir + "/2." + format);
    fail_unless(whole.frames() + kFrame >= 500 * kFrame, "%zu", whole.frames());
    const std::string first = file_of(dir, "1." + format);
    fail_unless(exists(first) == c.partly);
    if (c.partly) fail_unless(decode(first).frames() > 4000, "%s %s", format.c_str(), text.c_str());
    remove_dir(dir);
  }
}
GST_END_TEST

GST_START_TEST(when_all_files_fail_there_is_one_error_and_they_are_readable) {
  const std::string format = kFormats[__i__];
  for (const int code : {ENOSPC, EIO}) {
    const std::string dir = make_dir();
    set_fault({"write", dir, code, 30000});
    Bench bench("format=" + format + " location=" + quoted(dir + "/%u.%x"));
    fail_unless(bench.start());
    speak_all(bench, 2);
    fail_unless(bench.wait_for("error"));
    const Message *error = bench.find("error");
    fail_unless(error->text.find(dir) != std::string::npos);
    fail_unless_equals_int(
        error->code, code == ENOSPC ? GST_RESOURCE_ERROR_NO_SPACE_LEFT : GST_RESOURCE_ERROR_WRITE);
    bench.unwind();
    set_fault({});
    fail_unless_equals_int(bench.count("error"), 1);
    for (const char *user : {"1.", "2."}) {
      fail_unless(decode(file_of(dir, user + format)).frames() > 4000);
    }
    remove_dir(dir);
  }
}
GST_END_TEST

GST_START_TEST(a_full_file_system_is_one_error_and_the_files_are_readable) {
  const std::string format = kFormats[__i__];
  const std::string dir = make_dir();
  // Where the test may not mount, the faults above have to do.
  if (unshare(CLONE_NEWNS) == 0 &&
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
      mount("none", dir.c_str(), "tmpfs", 0, "size=200k") == 0) {
    Bench bench("format=" + format + " location=" + quoted(dir + "/%u.%x") +
                " index-location=" + quoted(dir + "/index.jsonl"));
    fail_unless(bench.start());
    GstFlowReturn flow = GST_FLOW_OK;
    for (guint64 i = 0; i < 20000 && flow == GST_FLOW_OK; ++i) {
      flow = bench.speak(1, 1, i, i * kStep);
    }
    fail_unless(bench.wait_for("error"));
    fail_unless_equals_int(bench.find("error")->code, GST_RESOURCE_ERROR_NO_SPACE_LEFT);
    bench.unwind();
    fail_unless_equals_int(bench.count("error"), 1);
    const std::string path = file_of(dir, "1." + format);
    const Wav wav = decode(path);
    fail_unless(wav.frames() > 4000, "%s: %zu frames, %zu bytes", path.c_str(), wav.frames(),
                read_bytes(path).size());
    umount2(dir.c_str(), MNT_DETACH);
  }
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(a_directory_that_is_deleted_concerns_its_files_alone) {
  const std::string dir = make_dir();
  for (const char *name : {"/one", "/two"}) std::filesystem::create_directory(dir + name);
  Bench bench("location=" + quoted(dir + "/%n/%u.wav"));
  fail_unless(bench.start());
  bench.name(1, 1, "one");
  bench.name(2, 2, "two");
  bench.speak(1, 1, 0, 0);
  bench.speak(2, 2, 0, 0);
  bench.wait_written(2 * kFrame);
  remove_dir(dir + "/one");
  for (guint64 i = 1; i < 100; ++i) {
    fail_unless_equals_int(bench.speak(1, 1, i, i * kStep), GST_FLOW_OK);
    fail_unless_equals_int(bench.speak(2, 2, i, i * kStep), GST_FLOW_OK);
  }
  fail_unless(bench.end());
  fail_unless_equals_int(bench.count("error"), 0);
  fail_unless_equals_int(bench.count("warning"), 1);
  fail_unless(bench.find("warning")->text.find(dir + "/one/") != std::string::npos);
  fail_unless(find_noise(read_wav(dir + "/two/2.wav"), 2, 0, 100 * kFrame) >= 0);
  remove_dir(dir);
}
GST_END_TEST

static Suite *faults_suite() {
  Suite *suite = suite_create("discordfilesink faults");
  TCase *faults = tcase_create("faults");
  suite_add_tcase(suite, faults);
  tcase_add_loop_test(faults, one_file_that_fails_is_one_warning_and_the_others_are_whole, 0, 4);
  tcase_add_loop_test(faults, when_all_files_fail_there_is_one_error_and_they_are_readable, 0, 4);
  tcase_add_loop_test(faults, a_full_file_system_is_one_error_and_the_files_are_readable, 0, 4);
  tcase_add_test(faults, a_directory_that_is_deleted_concerns_its_files_alone);
  return suite;
}

GST_CHECK_MAIN(faults)
