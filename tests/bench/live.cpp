// SPDX-License-Identifier: LGPL-2.1-or-later
#include <sys/prctl.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>

#include "ext/voice/core/receive_pace.hpp"
#include "tests/bench/bare.hpp"
#include "tests/bench/rig.hpp"
#include "tests/bench/sections.hpp"

namespace dv::bench {
namespace {

constexpr std::size_t kMostAtOnce = 32;  // datagrams that one receive call brings
constexpr std::size_t kSettled = 50;     // rounds until spawning and the first hold are over

struct Pace {
  std::vector<std::int64_t> due, pushed;  ///< of each datagram
};

void sleep_until(std::int64_t ns) {
  timespec t{ns / 1000000000, ns % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) == EINTR) {
  }
}

/**
 * Each stream 50 packets a second, the streams evenly spread over the 20 ms. What has become due
 * goes out in one call, as a receiver takes from its socket what is there, and when it looks again
 * is what discordvoicesrc's receiver decides. `settled` is called before the first packet that
 * counts.
 */
Pace send_paced(const Traffic &traffic,
                const std::function<void(std::size_t first, std::size_t end)> &send,
                const std::function<void()> &settled) {
  prctl(PR_SET_TIMERSLACK, 1);
  const std::size_t all = traffic.datagrams.size();
  Pace pace{std::vector<std::int64_t>(all), std::vector<std::int64_t>(all)};
  const auto start = wall_ns() + 1000000;
  const auto step = static_cast<double>(kPacketNs) / static_cast<double>(traffic.streams);
  for (std::size_t i = 0; i < all; ++i) {
    pace.due[i] = start + static_cast<std::int64_t>(step * static_cast<double>(i));
  }
  const std::size_t warm = kSettled * traffic.streams;
  voice::ReceivePace receiver;
  for (std::size_t i = 0; i < all;) {
    if (i == warm) settled();
    auto now = wall_ns();
    if (pace.due[i] > now) {
      sleep_until(pace.due[i]);
      now = wall_ns();
    }
    std::size_t end = i;
    const std::size_t limit = std::min(i < warm ? warm : all, i + kMostAtOnce);
    while (end < limit && pace.due[end] <= now) ++end;
    std::fill(pace.pushed.begin() + static_cast<std::ptrdiff_t>(i),
              pace.pushed.begin() + static_cast<std::ptrdiff_t>(end), now);
    send(i, end);
    const std::size_t sent = end - i;
    i = end;
    now = wall_ns();
    const Time rest = receiver.after(sent, sent == kMostAtOnce, Time(now));
    if (rest > Time{}) sleep_until(now + rest.count());
  }
  return pace;
}

struct LiveResult {
  Series from_push, from_due;  ///< ms
  double cpu_us = 0;           ///< per packet, all processes
  std::uint64_t lost = 0;
};

LiveResult judge(const Pace &pace, const std::vector<std::int64_t> &out, std::size_t warm) {
  LiveResult result;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == 0) {
      ++result.lost;
    } else if (i >= warm) {
      result.from_push.add(static_cast<double>(out[i] - pace.pushed[i]) / 1e6);
      result.from_due.add(static_cast<double>(out[i] - pace.due[i]) / 1e6);
    }
  }
  return result;
}

double per_packet_us(std::int64_t ns, const Traffic &traffic) {
  const std::size_t counted = traffic.datagrams.size() - kSettled * traffic.streams;
  return static_cast<double>(ns) / static_cast<double>(counted) / 1000;
}

LiveResult live_element(const Traffic &traffic, unsigned workers,
                        const std::string &record_to = {}) {
  Rig rig({.live = true, .workers = workers, .pool = "live", .record_to = record_to}, traffic);
  const auto zero = wall_ns();
  rig.record_times(traffic.streams, traffic.datagrams.size() / traffic.streams);
  std::int64_t host = 0, others = 0;
  std::vector<std::int64_t> pids;
  const std::span all(traffic.datagrams);
  const Pace pace = send_paced(
      traffic,
      [&](std::size_t first, std::size_t end) {
        rig.push(all.subspan(first, end - first), static_cast<GstClockTime>(wall_ns() - zero));
      },
      [&] {
        pids = rig.workers();
        others = cpu_ns_of(pids);
        host = own_cpu_ns();
      });
  rig.wait_frames(all.size(), 2);
  const auto used = own_cpu_ns() - host + cpu_ns_of(pids) - others;
  rig.eos_and_wait();
  LiveResult result = judge(pace, rig.times(), kSettled * traffic.streams);
  result.cpu_us = per_packet_us(used, traffic);
  return result;
}

LiveResult live_bare(const Traffic &traffic) {
  BareLoop loop(traffic, true);
  std::vector<std::int64_t> out(traffic.datagrams.size());
  std::int64_t host = 0;
  const Pace pace = send_paced(
      traffic,
      [&](std::size_t first, std::size_t end) {
        loop.run(first, end);
        const auto now = wall_ns();
        for (std::size_t i = first; i < end; ++i) out[i] = now;
      },
      [&] { host = own_cpu_ns(); });
  const auto used = own_cpu_ns() - host;
  LiveResult result = judge(pace, out, kSettled * traffic.streams);
  result.cpu_us = per_packet_us(used, traffic);
  return result;
}

void show(const char *what, std::size_t streams, const LiveResult &r) {
  std::printf(
      "  %4zu %-11s p50 %7.3f  p99 %7.3f  max %7.2f ms   from due p99 %7.3f ms   "
      "%6.1f us CPU   %zu lost\n",
      streams, what, r.from_push.median(), r.from_push.quantile(0.99), r.from_push.max(),
      r.from_due.quantile(0.99), r.cpu_us, std::size_t{r.lost});
  std::fflush(stdout);
}

void add(Report &report, const std::string &live, const std::string &way, const LiveResult &r) {
  report.figure(live + "_p50_ms" + way, r.from_push.median());
  report.figure(live + "_p99_ms" + way, r.from_push.quantile(0.99));
  report.figure(live + "_due_p99_ms" + way, r.from_due.quantile(0.99));
  report.figure(live + "_cpu_us" + way, r.cpu_us);
  report.figure(live + "_lost" + way, static_cast<double>(r.lost));
}

/** A channel recorded: everything through workers into a WAV file per speaker. */
void measure_recording(const Traffic &traffic, Report &report) {
  const auto folder = std::filesystem::temp_directory_path() / "dv-bench-recording";
  std::filesystem::create_directories(folder);
  const LiveResult r = live_element(traffic, 2, folder / "%s.wav");
  std::filesystem::remove_all(folder);
  show("to WAV", traffic.streams, r);
  add(report, "live25", "_wav", r);
}

void find_limit(const Materials &materials, Report &report) {
  for (std::size_t streams = 400; streams <= 1200; streams += 100) {
    const Traffic traffic = make_traffic(materials.speech, {.streams = streams, .rounds = 200});
    const LiveResult r = live_element(traffic, 2);
    show("2 workers", streams, r);
    if (r.lost == 0) continue;
    report.figure("live_drops_begin_at", static_cast<double>(streams));
    std::printf("  the first to lose something: %zu streams\n", streams);
    return;
  }
  std::printf("  nothing is lost up to 1200 streams\n");
}

}  // namespace

void measure_live(const Settings &settings, const Materials &materials, Report &report) {
  const std::size_t rounds = kSettled + (settings.quick ? 150 : 500);
  std::printf(
      "live, 50 packets/s each, paced; ms from push to output, default latency, first second "
      "left out\n");
  Series cpu_ratio;
  for (const std::size_t streams : {25, 100, 300}) {
    const Traffic traffic = make_traffic(materials.speech, {.streams = streams, .rounds = rounds});
    const std::string live = "live" + std::to_string(streams);
    const LiveResult bare = live_bare(traffic);
    show("bare loop", streams, bare);
    add(report, live, "_bare", bare);
    if (streams == 25 || !settings.quick) {
      const LiveResult local = live_element(traffic, 0);
      show("in process", streams, local);
      add(report, live, "_inprocess", local);
      report.figure(live + "_cpu_ratio_inprocess", local.cpu_us / bare.cpu_us);
    }
    const LiveResult workers = live_element(traffic, 2);
    show("2 workers", streams, workers);
    report.figure(live + "_cpu_ratio_workers", workers.cpu_us / bare.cpu_us);
    add(report, live, streams == 25 ? "_workers" : "", workers);
    if (streams == 25) measure_recording(traffic, report);
  }
  if (!settings.quick) find_limit(materials, report);
}

}  // namespace dv::bench
