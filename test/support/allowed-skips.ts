/** The tests that may be skipped, each with the ability that a host then lacks. Any other skip fails the run. */
export const ALLOWED_SKIPS: Record<string, string> = {
  "after su, the other user's XDG_RUNTIME_DIR is left alone, and so is what it leads to": 'root',
  'a link or a folder of somebody else, where ours should be, is not followed': 'root',
  'a socket that somebody else serves is sent nothing': 'root',
  'an initramfs that somebody else could put in the cache is made anew': 'root',
  'a machine keeps its address until it is removed, and moves only where a route of the host takes it': 'root',
  'a machine without a network has no device, and what no network gives is refused': 'root',
  'without the helper it is told how to go on, nothing is left, and later the rest is swept': 'root',
  'a network that ends before its machine is told, and comes back with a restart': 'root',
  'a daemon that is killed at each step of a network leaves no tap and no process of it': 'root',
  'a machine with an address of its own': 'root',
  'an image has the files that umoci unpacks of it': 'root',
  "the host's disk, with the state on it too, is full while a guest writes": 'mount',
  'each place that is written to, on filesystems that take no writes': 'mount',
  'where the disk of the cache is full, nothing is fetched, and it is told': 'mount',
  'where the disk of the cache is without inodes, nothing is fetched, and it is told': 'mount',
  'where the disk of the cache is read-only, nothing is fetched, and it is told': 'mount',
  'on a disk that is full, what frees space works, also by a daemon that comes up on it': 'mount',
  'on a disk that is full, each thing that needs space is refused with a code and leaves nothing': 'mount',
  'on a disk that is without inodes, what frees space works, also by a daemon that comes up on it': 'mount',
  'on a disk that is without inodes, each thing that needs space is refused with a code and leaves nothing': 'mount',
  'a log that cannot be written ends nothing': 'mount',
  'a patch on a disk that is full, or can only be read, leaves nothing there': 'mount',
  'a state that can only be read is told as that, with what to do': 'mount',
  "the host's passwords for packages are in no image": 'mount',
  'on Firecracker': 'Firecracker',
  'on a disk that is full what was deleted comes back all the same': 'mount',
  "Firecracker's driver on kvm: a launched machine runs, and its agent answers":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a second agent stream takes the place of the first":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a released machine goes on, and is adopted with all its abilities":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: whoever ends what only waits for a machine does not end the machine":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: links that a machine puts in the place of its sockets lead nowhere":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a process that is not the machine is not adopted":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a machine that lives and does not answer is silent, and adopted once it does":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a machine that is killed by somebody else is lost":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a guest that ends is told apart from a machine that is killed":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: the console is in its file when the machine has ended":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a launch that fails leaves nothing running": 'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a launch that is cancelled leaves nothing running":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: sockets that an earlier run left are no obstacle":
    'Firecracker, and KVM that runs guests',
  "Firecracker's driver on kvm: a socket path that is too long is refused": 'Firecracker, and KVM that runs guests',
};
