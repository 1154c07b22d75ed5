// SPDX-License-Identifier: LGPL-2.1-or-later
// What a group of 500 members costs one of them: processing commits, and memory.
// Usage: bench_mls_group [MEMBERS]
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "ext/crypto/mls/delivery.hpp"
#include "ext/crypto/mls/group.hpp"

using namespace dv;
using namespace dv::mls;

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::size_t heap() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

struct World {
  Bytes group_id = identity_of(7);
  ProposalSigner signer = *ProposalSigner::generate(Bytes{0});
  std::uint64_t next_user = 1;

  Extensions extensions() const {
    Writer list;
    write_vec(list, signer.external_sender());
    return {{kExtExternalSenders, list.release()}};
  }
  JoinOptions options() const { return {Rules::dave, group_id, extensions()}; }
};

struct Fresh {
  KeyPair signature;
  KeyPackageBundle bundle;
};

Fresh fresh(World &w) {
  auto signature = generate_key_pair();
  auto bundle = make_key_package(*signature, identity_of(w.next_user++));
  return {std::move(*signature), std::move(*bundle)};
}

void must(bool ok, const char *what) {
  if (ok) return;
  std::fprintf(stderr, "error: %s\n", what);
  std::exit(1);
}

void propose(Group &group, const std::vector<Bytes> &messages) {
  std::vector<ByteView> views(messages.begin(), messages.end());
  const auto taken = group.receive_proposals(views, nullptr);
  must(taken.ok(), "proposals");
}

struct Times {
  std::vector<double> ms;
  void add(double v) { ms.push_back(v); }
  void print(const char *what) {
    std::sort(ms.begin(), ms.end());
    std::printf("%-44s median %7.2f ms   max %7.2f ms   (%zu)\n", what, ms[ms.size() / 2],
                ms.back(), ms.size());
  }
};

/** One proposes, `committer` commits, `follower` follows; the time that following took. */
double commit(Group &committer, Group &follower, const std::vector<Bytes> &messages,
              Times &making) {
  propose(committer, messages);
  propose(follower, messages);
  auto start = Clock::now();
  const auto made = committer.make_commit();
  must(made.ok(), "commit");
  making.add(ms_since(start));
  must(committer.process_commit(made->commit).ok(), "own commit");
  start = Clock::now();
  const auto outcome = follower.process_commit(made->commit);
  const double took = ms_since(start);
  must(outcome.ok() && *outcome == CommitOutcome::applied, "processing");
  return took;
}

}  // namespace

int main(int argc, char **argv) {
  const std::size_t members = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 500;
  World w;
  Fresh first = fresh(w);
  Fresh second = fresh(w);
  auto a = Group::create(first.signature, first.bundle, w.group_id, w.extensions());
  must(a.ok(), "create");
  propose(*a, {w.signer.propose_add(w.group_id, 0, second.bundle.encoded)});
  auto made = a->make_commit();
  must(made.ok() && a->process_commit(made->commit).ok(), "first commit");

  const std::size_t before = heap();
  auto b = Group::join(made->welcome, second.signature, second.bundle, w.options());
  must(b.ok(), "join");
  Times growing, single, removing, adding, making, making_adds;
  std::vector<Bytes> adds;
  for (std::size_t i = 2; i < members; ++i)
    adds.push_back(w.signer.propose_add(w.group_id, 1, fresh(w).bundle.encoded));
  growing.add(commit(*a, *b, adds, making_adds));
  adds = {};

  for (int i = 0; i < 20; ++i) {
    const auto epoch = a->epoch();
    removing.add(
        commit(*a, *b, {w.signer.propose_remove(w.group_id, epoch, 10 + 20u * i)}, making));
    single.add(commit(*a, *b,
                      {w.signer.propose_add(w.group_id, epoch + 1, fresh(w).bundle.encoded)},
                      making_adds));
  }
  // The other half of the tree gets paths too, as it does when anybody may win.
  Fresh late = fresh(w);
  propose(*a, {w.signer.propose_add(w.group_id, a->epoch(), late.bundle.encoded)});
  made = a->make_commit();
  must(made.ok(), "commit");
  const auto start = Clock::now();
  auto c = Group::join(made->welcome, late.signature, late.bundle, w.options());
  must(c.ok(), "join");
  const double join_ms = ms_since(start);

  growing.print("process a commit that adds all at once");
  single.print("process a commit that adds one");
  removing.print("process a commit that removes one (path)");
  making.print("make a commit that removes one (path)");
  making_adds.print("make a commit that adds");
  std::printf("join: %.1f ms; op 28 of the last add: %zu bytes\n", join_ms,
              made->commit.size() + made->welcome.size());
  const std::size_t both = heap();
  { const Group dropped = std::move(*b); }
  std::printf("heap of one member of %zu: %.2f MiB (process: %.2f MiB)\n", members,
              static_cast<double>(both - heap()) / 1048576.0,
              static_cast<double>(heap() - std::min(before, heap())) / 1048576.0);
  return 0;
}
