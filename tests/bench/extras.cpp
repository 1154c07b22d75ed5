// SPDX-License-Identifier: LGPL-2.1-or-later
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <thread>

#include "tests/bench/rig.hpp"
#include "tests/bench/sections.hpp"
#include "tests/bench/throughput.hpp"

namespace dv::bench {
namespace {

constexpr std::size_t kHostBytes = std::size_t{2} << 30;

std::string fresh_pool() {
  static int number = 0;
  return "fresh" + std::to_string(++number);
}

struct FirstFrame {
  double ms = 0;       ///< from the first packet to its frame
  double push_ms = 0;  ///< longest call into the element meanwhile
};

/** A pool that does not exist yet: the process is spawned for this packet. */
FirstFrame first_frame(const Traffic &traffic) {
  Rig rig({.live = true, .workers = 1, .latency_ms = 0, .pool = fresh_pool()}, traffic);
  FirstFrame result;
  const auto start = wall_ns();
  for (const Bytes &datagram : traffic.datagrams) {
    const auto before = wall_ns();
    rig.push({&datagram, 1}, static_cast<GstClockTime>(before));
    result.push_ms = std::max(result.push_ms, static_cast<double>(wall_ns() - before) / 1e6);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  rig.wait_frames(traffic.datagrams.size(), 30);
  result.ms = static_cast<double>(rig.first_frame_ns() - start) / 1e6;
  return result;
}

void first_frames(const Settings &settings, const Traffic &traffic, const char *what,
                  const std::string &suffix, Report &report) {
  Series ms, push;
  for (int i = 0; i < std::max(settings.repeats(), 5); ++i) {
    const FirstFrame result = first_frame(traffic);
    ms.add(result.ms);
    push.add(result.push_ms);
  }
  std::printf(
      "first frame, spawn included%s: %.2f ms [%.2f .. %.2f]; longest push meanwhile "
      "%.3f ms\n",
      what, ms.median(), ms.min(), ms.max(), push.max());
  report.figure("first_frame_ms" + suffix, ms);
  report.figure("spawn_longest_push_ms" + suffix, push.max());
}

double all_kib(const Rig &rig) { return pss_kib(getpid()) + pss_kib(rig.workers()); }

struct Memory {
  double per_speaker = 0, worker = 0;  ///< KiB
};

/** What 200 more speakers add to 50 that are there. */
Memory memory_of_speakers(const Materials &materials, bool decode, unsigned workers) {
  constexpr std::size_t kBefore = 50, kAll = 250, kRounds = 60;
  const Traffic traffic = make_traffic(materials.speech, {.streams = kAll, .rounds = kRounds});
  Rig rig({.decode = decode, .workers = workers, .pool = fresh_pool()}, traffic);
  std::size_t pushed = 0;
  const auto play = [&](std::size_t streams, std::size_t first, std::size_t end) {
    for (std::size_t round = first; round < end; ++round) {
      rig.push(std::span(traffic.datagrams).subspan(round * kAll, streams),
               GST_SECOND + (round + (streams == kAll ? kRounds : 0)) * kPacketNs);
      pushed += streams;
      // Not faster than they are done, or what is measured is the length of queues.
      rig.wait_frames(pushed > 8 * kAll ? pushed - 8 * kAll : 0, 30);
    }
    rig.wait_frames(pushed - streams * 8, 30);
  };
  play(kBefore, 0, kRounds / 2);
  // What earlier measurements left in the heap would be used again, and not be seen.
  malloc_trim(0);
  const double before = all_kib(rig);
  play(kAll, kRounds / 2, kRounds);
  Memory memory;
  memory.per_speaker = (all_kib(rig) - before) / (kAll - kBefore);
  const auto pids = rig.workers();
  if (!pids.empty()) memory.worker = pss_kib(pids.front());
  return memory;
}

/** Nanoseconds for one of `datagrams` through an element without decoding. */
double cost_of(const Traffic &traffic, std::span<const Bytes> datagrams) {
  Rig rig({.decode = false}, traffic);
  const std::size_t warm = kWarmRounds * traffic.streams;
  rig.push_rounds(std::span(traffic.datagrams).first(warm));
  const auto start = own_cpu_ns();
  rig.push_rounds(datagrams.subspan(warm));
  rig.eos_and_wait();
  return static_cast<double>(own_cpu_ns() - start) / static_cast<double>(datagrams.size() - warm);
}

bool closes(bool decode, unsigned workers) {
  const Traffic traffic = make_traffic(make_tone(), {.streams = 3, .rounds = 40});
  const auto bad = make_bad(traffic);
  Rig rig({.decode = decode, .workers = workers, .pool = "smoke"}, traffic);
  rig.push_rounds(traffic.datagrams);
  rig.push_rounds(bad);
  rig.eos_and_wait();
  const auto good = traffic.datagrams.size();
  const auto received = rig.count("received"), delivered = rig.count("delivered");
  const auto pending = rig.count("pending");
  const bool ok =
      received == good + bad.size() && delivered == good && pending == 0 && rig.frames() == good;
  std::printf("%s decode=%d workers=%u: %zu received, %zu delivered, %zu pending, %zu frames\n",
              ok ? "ok" : "WRONG", decode, workers, std::size_t{received}, std::size_t{delivered},
              std::size_t{pending}, std::size_t{rig.frames()});
  return ok;
}

}  // namespace

void measure_first_frame(const Settings &settings, const Materials &materials, Report &report) {
  const Traffic traffic = make_traffic(materials.speech, {.streams = 1, .rounds = 40});
  first_frames(settings, traffic, "", "", report);
  if (settings.quick) return;
  if (available_mib() < 3000) {
    std::printf("first frame in a host of 2 GB: not measured, too little memory\n");
    return;
  }
  void *large =
      mmap(nullptr, kHostBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (large == MAP_FAILED) return;
  std::memset(large, 1, kHostBytes);
  first_frames(settings, traffic, ", host of 2 GB", "_2gb", report);
  munmap(large, kHostBytes);
}

void measure_memory(const Settings &, const Materials &materials, Report &report) {
  const Memory workers = memory_of_speakers(materials, true, 2);
  const Memory local = memory_of_speakers(materials, true, 0);
  const Memory open = memory_of_speakers(materials, false, 0);
  std::printf(
      "memory per speaker, PSS over all processes: decoding %.1f KiB (2 workers), %.1f KiB "
      "(in process); not decoding %.1f KiB; a worker %.1f MiB\n",
      workers.per_speaker, local.per_speaker, open.per_speaker, workers.worker / 1024);
  report.figure("kib_per_decoding_speaker", workers.per_speaker);
  report.figure("kib_per_decoding_speaker_inprocess", local.per_speaker);
  report.figure("kib_per_open_speaker", open.per_speaker);
  report.figure("worker_pss_mib_125_speakers", workers.worker / 1024);
}

void measure_bad_packets(const Settings &settings, const Materials &materials, Report &report) {
  const std::size_t rounds = settings.quick ? 4000 : 40000;
  const Traffic traffic = make_traffic(materials.speech, {.streams = 25, .rounds = rounds});
  const auto bad = make_bad(traffic);
  Series ratio, good_ns, bad_ns;
  for (int i = 0; i < 3; ++i) {
    good_ns.add(cost_of(traffic, traffic.datagrams));
    bad_ns.add(cost_of(traffic, bad));
    ratio.add(bad_ns.values.back() / good_ns.values.back());
  }
  std::printf(
      "%zu bad packets cost %.2f [%.2f .. %.2f] times as many good ones that are not "
      "decoded (%.2f and %.2f us)\n",
      bad.size(), ratio.median(), ratio.min(), ratio.max(), bad_ns.median() / 1000,
      good_ns.median() / 1000);
  report.figure("bad_packet_cost_ratio", ratio);
}

int smoke() {
  bool ok = true;
  for (const bool decode : {false, true})
    for (const unsigned workers : {0u, 1u, 2u}) ok = closes(decode, workers) && ok;
  return ok ? 0 : 1;
}

}  // namespace dv::bench
