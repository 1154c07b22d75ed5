// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cut_disk.hpp"

#include <fcntl.h>
#include <linux/types.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "sink_bench.hpp"

namespace crash {
namespace {

// Of the kernel's fs/ext4/ext4.h; what the tests of file systems use.
constexpr unsigned long kShutdown = _IOR('X', 125, __u32);
constexpr __u32 kWithoutJournal = 2;

}  // namespace

CutDisk::CutDisk() : dir_(bench::make_dir()) { make(); }

CutDisk::~CutDisk() {
  umount2(path().c_str(), MNT_DETACH);
  umount2(dir_.c_str(), MNT_DETACH);
  rmdir(dir_.c_str());
}

void CutDisk::make() {
  const char *none = "none";
  if (unshare(CLONE_NEWNS) != 0 || mount(none, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount(none, dir_.c_str(), "tmpfs", 0, "size=96m,mode=0700") != 0) {
    problem_ = std::string("mounting: ") + std::strerror(errno);
    return;
  }
  run("truncate -s 64M device && mkfs.ext4 -q -F device && mkdir disk");
  mount_device();
}

void CutDisk::run(const std::string &command) {
  if (!problem_.empty()) return;
  // Administration has its programs where other users' PATH may not lead.
  const std::string line = "cd " + dir_ + " && PATH=$PATH:/usr/sbin:/sbin && " + command;
  if (std::system(line.c_str()) != 0) problem_ = "could not " + command;
}

void CutDisk::mount_device() { run("mount -t ext4 -o loop device disk"); }

void CutDisk::cut() {
  const int fd = open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  __u32 flag = kWithoutJournal;
  bench::require(fd >= 0 && ioctl(fd, kShutdown, &flag) == 0, "the device is lost");
  close(fd);
}

void CutDisk::mount_again() {
  run("umount disk");
  mount_device();
  bench::require(problem_.empty(), problem_.c_str());
}

}  // namespace crash
