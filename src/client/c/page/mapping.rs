//! The memory that was handed over, and how it comes.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::{self, NonNull};

use entitled_core::domain::page_word::{PAGE_BYTES, SLOTS};

/// A page, to be read.
pub(super) struct Mapping(NonNull<u64>);

// SAFETY: it is read only, word by word, and stays where it is until it is dropped.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `None` for what is no page, or could be made shorter by somebody: reading there would be the end of this program.
    pub(super) fn new(descriptor: &OwnedFd) -> Option<Self> {
        let file = descriptor.as_raw_fd();
        // SAFETY: a structure of numbers.
        let mut status: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: an open file, and a structure of ours.
        let (seals, told) =
            unsafe { (libc::fcntl(file, libc::F_GET_SEALS), libc::fstat(file, &raw mut status)) };
        let is_fixed = seals >= 0 && seals & libc::F_SEAL_SHRINK != 0;
        if !is_fixed || told != 0 || status.st_size != i64::try_from(PAGE_BYTES).ok()? {
            return None;
        }
        // SAFETY: anywhere, and nothing else of this program is there.
        let at = unsafe {
            libc::mmap(ptr::null_mut(), PAGE_BYTES, libc::PROT_READ, libc::MAP_SHARED, file, 0)
        };
        (at != libc::MAP_FAILED).then(|| NonNull::new(at.cast())).flatten().map(Self)
    }

    /// Both words of a slot, which the daemon may be writing: whoever reads them finds out by the seal.
    #[inline]
    pub(super) fn slot(&self, slot: usize) -> [u64; 2] {
        let at = 2 * (slot % SLOTS);
        // SAFETY: within the page, which nobody can cut short.
        unsafe { [self.0.add(at).read_volatile(), self.0.add(at + 1).read_volatile()] }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by us, and nobody reads any more.
        unsafe { libc::munmap(self.0.as_ptr().cast::<c_void>(), PAGE_BYTES) };
    }
}

/// As `read`, and keeps the last descriptor that comes with it.
pub(super) fn receive(
    stream: &UnixStream,
    bytes: &mut [u8],
    came: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut piece = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut control = [0_u64; 8];
    // SAFETY: a structure of numbers and pointers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the pointers are to what is here, with their lengths.
    let count =
        unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has written the messages that are walked over; each descriptor in them is new, and ours.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while let Some(it) = header.as_ref() {
            if it.cmsg_level == libc::SOL_SOCKET && it.cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(header).cast::<libc::c_int>();
                let length = it.cmsg_len - libc::CMSG_LEN(0) as usize;
                for at in 0..length / size_of::<libc::c_int>() {
                    *came = Some(OwnedFd::from_raw_fd(data.add(at).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(count)
}
