// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bench/throughput.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "tests/bench/bare.hpp"
#include "tests/bench/sections.hpp"

namespace dv::bench {
namespace {

// What a virtual processor is worth changes from second to second: ways are compared in many short
// runs that alternate, not in a few long ones.
constexpr std::size_t kPackets = 4000;
int decode_repeats(const Settings &settings) { return settings.quick ? 11 : 15; }

std::size_t warm_packets(const Traffic &traffic) { return kWarmRounds * traffic.streams; }

/** Two of the bare loops side by side against one: what the machine's second core is worth. */
double two_threads_over_one(const Traffic &traffic) {
  BareLoop one(traffic, true), other(traffic, true);
  const auto start = wall_ns();
  one.run();
  const auto alone = static_cast<double>(wall_ns() - start);
  BareLoop third(traffic, true);
  const auto begin = wall_ns();
  std::thread thread([&] { third.run(); });
  other.run();
  thread.join();
  return 2 * alone / static_cast<double>(wall_ns() - begin);
}

struct Case {
  std::string key;  ///< part of the names of figures; empty for the one the issue names
  const Material &material;
  std::size_t streams, rounds;
};

void print_row(const char *what, const Cost &cost, const Series &ratio) {
  std::printf("  %-22s %9.0f packets/s  %7.2f us CPU (%5.2f host)   %.3f  [%.3f .. %.3f]\n", what,
              cost.packets_per_second(), cost.cpu_us_per_packet(),
              cost.host_ns / cost.packets / 1000, ratio.median(), ratio.min(), ratio.max());
}

void decode_case(const Settings &settings, const Case &c, Report &report) {
  const Traffic traffic = make_traffic(c.material, {.streams = c.streams, .rounds = c.rounds});
  std::printf("%s, %zu streams: packets/s, CPU per packet, speed or CPU against the bare loop\n",
              c.material.name.c_str(), c.streams);
  Series in_process, one_cpu, two_cpu, two_over_one, handover, threads;
  Cost bare, local, one, two;
  for (int i = 0; i < decode_repeats(settings); ++i) {
    bare = through_bare_loop(traffic, true);
    local = through_element(traffic, {.workers = 0});
    // Pools of their own: one with a worker too many would end it in the middle.
    one = through_element(traffic, {.workers = 1, .pool = "one" + c.key});
    two = through_element(traffic, {.workers = 2, .pool = "two" + c.key});
    in_process.add(bare.host_ns / (local.host_ns + local.workers_ns));
    one_cpu.add(one.cpu_us_per_packet() / bare.cpu_us_per_packet());
    two_cpu.add(two.cpu_us_per_packet() / bare.cpu_us_per_packet());
    two_over_one.add(two.packets_per_second() / one.packets_per_second());
    handover.add(one.cpu_us_per_packet() - local.cpu_us_per_packet());
    threads.add(two_threads_over_one(traffic));
  }
  print_row("bare loop", bare, {{1}});
  print_row("in process (speed)", local, in_process);
  print_row("1 worker (CPU)", one, one_cpu);
  print_row("2 workers (CPU)", two, two_cpu);
  std::printf(
      "  two workers over one %.2f [%.2f .. %.2f]; two bare loops over one %.2f; "
      "hand-over %.2f us\n",
      two_over_one.median(), two_over_one.min(), two_over_one.max(), threads.median(),
      handover.median());
  report.figure("decode_inprocess_ratio" + c.key, in_process);
  report.figure("decode_workers_cpu_ratio" + c.key, two_cpu);
  report.figure("decode_worker1_cpu_ratio" + c.key, one_cpu);
  report.figure("workers2_over_workers1" + c.key, two_over_one);
  report.figure("bare_threads2_over_1" + c.key, threads);
  report.figure("handover_us_per_packet" + c.key, handover);
  report.figure("bare_decode_us" + c.key, bare.cpu_us_per_packet());
}

}  // namespace

Cost through_element(const Traffic &traffic, const RigConfig &config) {
  Rig rig(config, traffic);
  const std::size_t warm = warm_packets(traffic);
  const std::span all(traffic.datagrams);
  // Time has to pass for the first packets, which are held for those before them.
  rig.push_rounds(all.first(warm), traffic.streams);
  // What is still on its way would be counted with what follows.
  if (!rig.wait_frames(warm, 30)) broken("the first packets do not come out");
  const auto pids = rig.workers();
  Cost cost;
  const auto workers = cpu_ns_of(pids);
  const auto host = own_cpu_ns();
  const auto start = wall_ns();
  rig.push_rounds(all.subspan(warm));
  rig.eos_and_wait();
  cost.wall_ns = static_cast<double>(wall_ns() - start);
  cost.host_ns = static_cast<double>(own_cpu_ns() - host);
  cost.workers_ns = static_cast<double>(cpu_ns_of(pids) - workers);
  cost.packets = static_cast<double>(all.size() - warm);
  if (rig.frames() != all.size() || rig.count("delivered") != all.size() || rig.workers() != pids ||
      pids.size() > config.workers) {
    std::fprintf(stderr, "bench: %zu pushed, %zu frames, %zu workers at first; %s\n", all.size(),
                 std::size_t{rig.frames()}, pids.size(), rig.stats_text().c_str());
    std::exit(1);
  }
  return cost;
}

Cost through_bare_loop(const Traffic &traffic, bool decode) {
  BareLoop loop(traffic, decode);
  const std::size_t warm = warm_packets(traffic);
  loop.run(0, warm);
  Cost cost;
  const auto host = own_cpu_ns();
  const auto start = wall_ns();
  loop.run(warm, traffic.datagrams.size());
  cost.wall_ns = static_cast<double>(wall_ns() - start);
  cost.host_ns = static_cast<double>(own_cpu_ns() - host);
  cost.packets = static_cast<double>(traffic.datagrams.size() - warm);
  return cost;
}

void measure_decoding(const Settings &settings, const Materials &materials, Report &report) {
  const auto rounds = [&](std::size_t streams) { return kWarmRounds + kPackets / streams; };
  decode_case(settings, {"", materials.speech, 25, rounds(25)}, report);
  if (settings.quick) return;
  decode_case(settings, {"_speech1", materials.speech, 1, rounds(1)}, report);
  decode_case(settings, {"_speech100", materials.speech, 100, rounds(100)}, report);
  decode_case(settings, {"_speech300", materials.speech, 300, rounds(300)}, report);
  decode_case(settings, {"_music25", materials.music, 25, rounds(25)}, report);
  decode_case(settings, {"_music100", materials.music, 100, rounds(100)}, report);
}

void measure_opening(const Settings &settings, const Materials &materials, Report &report) {
  const Traffic traffic = make_traffic(
      materials.speech, {.streams = 25, .rounds = kWarmRounds + (settings.quick ? 4000u : 8000u)});
  Series element_pps, bare_pps, chain_pps, ratio, handover;
  for (int i = 0; i < settings.repeats(); ++i) {
    const auto all = static_cast<double>(traffic.datagrams.size());
    const Cost bare = through_bare_loop(traffic, false);
    const Cost element = through_element(traffic, {.decode = false, .workers = 0});
    const Cost worker = through_element(traffic, {.decode = false, .workers = 1, .pool = "one"});
    const OpenCost opening = open_cost(traffic);
    element_pps.add(1e6 / element.cpu_us_per_packet());
    bare_pps.add(1e6 / bare.cpu_us_per_packet());
    chain_pps.add(all / static_cast<double>(chain_cpu_ns(traffic, false)) * 1e9);
    ratio.add(opening.ours / opening.calls);
    handover.add(worker.cpu_us_per_packet() - element.cpu_us_per_packet());
  }
  std::printf("opened, not decoded, 25 streams: packets per second of CPU\n");
  const auto row = [](const char *what, const Series &s) {
    std::printf("  %-34s %9.0f  [%.0f .. %.0f]\n", what, s.median(), s.min(), s.max());
  };
  row("bare loop", bare_pps);
  row("receive chain alone", chain_pps);
  row("element, datagram to RTP buffer", element_pps);
  std::printf("  both layers against the two AEAD calls: %.2f [%.2f .. %.2f]; hand-over %.2f us\n",
              ratio.median(), ratio.min(), ratio.max(), handover.median());
  report.figure("open_only_pps", element_pps);
  report.figure("open_only_bare_pps", bare_pps);
  report.figure("open_only_chain_pps", chain_pps);
  report.figure("open_dave_ratio", ratio);
  report.figure("handover_open_us_per_packet", handover);
}

}  // namespace dv::bench
