//! Error numbers and their texts. The numbers are those of the `libc` crate for Redox.

/// An error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// Operation not permitted.
pub const EPERM: Errno = Errno(1);
/// No such file or directory.
pub const ENOENT: Errno = Errno(2);
/// No such process.
pub const ESRCH: Errno = Errno(3);
/// Interrupted system call.
pub const EINTR: Errno = Errno(4);
/// Input/output error.
pub const EIO: Errno = Errno(5);
/// No such device or address.
pub const ENXIO: Errno = Errno(6);
/// Argument list too long.
pub const E2BIG: Errno = Errno(7);
/// Exec format error.
pub const ENOEXEC: Errno = Errno(8);
/// Bad file descriptor.
pub const EBADF: Errno = Errno(9);
/// No child processes.
pub const ECHILD: Errno = Errno(10);
/// Resource temporarily unavailable.
pub const EAGAIN: Errno = Errno(11);
/// Cannot allocate memory.
pub const ENOMEM: Errno = Errno(12);
/// Permission denied.
pub const EACCES: Errno = Errno(13);
/// Bad address.
pub const EFAULT: Errno = Errno(14);
/// Block device required.
pub const ENOTBLK: Errno = Errno(15);
/// Device or resource busy.
pub const EBUSY: Errno = Errno(16);
/// File exists.
pub const EEXIST: Errno = Errno(17);
/// Invalid cross-device link.
pub const EXDEV: Errno = Errno(18);
/// No such device.
pub const ENODEV: Errno = Errno(19);
/// Not a directory.
pub const ENOTDIR: Errno = Errno(20);
/// Is a directory.
pub const EISDIR: Errno = Errno(21);
/// Invalid argument.
pub const EINVAL: Errno = Errno(22);
/// Too many open files in system.
pub const ENFILE: Errno = Errno(23);
/// Too many open files.
pub const EMFILE: Errno = Errno(24);
/// Inappropriate ioctl for device.
pub const ENOTTY: Errno = Errno(25);
/// Text file busy.
pub const ETXTBSY: Errno = Errno(26);
/// File too large.
pub const EFBIG: Errno = Errno(27);
/// No space left on device.
pub const ENOSPC: Errno = Errno(28);
/// Illegal seek.
pub const ESPIPE: Errno = Errno(29);
/// Read-only file system.
pub const EROFS: Errno = Errno(30);
/// Too many links.
pub const EMLINK: Errno = Errno(31);
/// Broken pipe.
pub const EPIPE: Errno = Errno(32);
/// Numerical argument out of domain.
pub const EDOM: Errno = Errno(33);
/// Numerical result out of range.
pub const ERANGE: Errno = Errno(34);
/// Resource deadlock avoided.
pub const EDEADLK: Errno = Errno(35);
/// File name too long.
pub const ENAMETOOLONG: Errno = Errno(36);
/// No locks available.
pub const ENOLCK: Errno = Errno(37);
/// Function not implemented.
pub const ENOSYS: Errno = Errno(38);
/// Directory not empty.
pub const ENOTEMPTY: Errno = Errno(39);
/// Too many levels of symbolic links.
pub const ELOOP: Errno = Errno(40);
/// Operation would block.
pub const EWOULDBLOCK: Errno = Errno(41);
/// No message of desired type.
pub const ENOMSG: Errno = Errno(42);
/// Identifier removed.
pub const EIDRM: Errno = Errno(43);
/// Channel number out of range.
pub const ECHRNG: Errno = Errno(44);
/// Level 2 not synchronized.
pub const EL2NSYNC: Errno = Errno(45);
/// Level 3 halted.
pub const EL3HLT: Errno = Errno(46);
/// Level 3 reset.
pub const EL3RST: Errno = Errno(47);
/// Link number out of range.
pub const ELNRNG: Errno = Errno(48);
/// Protocol driver not attached.
pub const EUNATCH: Errno = Errno(49);
/// No CSI structure available.
pub const ENOCSI: Errno = Errno(50);
/// Level 2 halted.
pub const EL2HLT: Errno = Errno(51);
/// Invalid exchange.
pub const EBADE: Errno = Errno(52);
/// Invalid request descriptor.
pub const EBADR: Errno = Errno(53);
/// Exchange full.
pub const EXFULL: Errno = Errno(54);
/// No anode.
pub const ENOANO: Errno = Errno(55);
/// Invalid request code.
pub const EBADRQC: Errno = Errno(56);
/// Invalid slot.
pub const EBADSLT: Errno = Errno(57);
/// Resource deadlock avoided.
pub const EDEADLOCK: Errno = Errno(58);
/// Bad font file format.
pub const EBFONT: Errno = Errno(59);
/// Device not a stream.
pub const ENOSTR: Errno = Errno(60);
/// No data available.
pub const ENODATA: Errno = Errno(61);
/// Timer expired.
pub const ETIME: Errno = Errno(62);
/// Out of streams resources.
pub const ENOSR: Errno = Errno(63);
/// Machine is not on the network.
pub const ENONET: Errno = Errno(64);
/// Package not installed.
pub const ENOPKG: Errno = Errno(65);
/// Object is remote.
pub const EREMOTE: Errno = Errno(66);
/// Link has been severed.
pub const ENOLINK: Errno = Errno(67);
/// Advertise error.
pub const EADV: Errno = Errno(68);
/// Srmount error.
pub const ESRMNT: Errno = Errno(69);
/// Communication error on send.
pub const ECOMM: Errno = Errno(70);
/// Protocol error.
pub const EPROTO: Errno = Errno(71);
/// Multihop attempted.
pub const EMULTIHOP: Errno = Errno(72);
/// RFS specific error.
pub const EDOTDOT: Errno = Errno(73);
/// Bad message.
pub const EBADMSG: Errno = Errno(74);
/// Value too large for defined data type.
pub const EOVERFLOW: Errno = Errno(75);
/// Name not unique on network.
pub const ENOTUNIQ: Errno = Errno(76);
/// File descriptor in bad state.
pub const EBADFD: Errno = Errno(77);
/// Remote address changed.
pub const EREMCHG: Errno = Errno(78);
/// Cannot access a needed shared library.
pub const ELIBACC: Errno = Errno(79);
/// Accessing a corrupted shared library.
pub const ELIBBAD: Errno = Errno(80);
/// Corrupted library section in executable.
pub const ELIBSCN: Errno = Errno(81);
/// Too many shared libraries.
pub const ELIBMAX: Errno = Errno(82);
/// Cannot exec a shared library directly.
pub const ELIBEXEC: Errno = Errno(83);
/// Invalid or incomplete multibyte or wide character.
pub const EILSEQ: Errno = Errno(84);
/// Interrupted system call should be restarted.
pub const ERESTART: Errno = Errno(85);
/// Streams pipe error.
pub const ESTRPIPE: Errno = Errno(86);
/// Too many users.
pub const EUSERS: Errno = Errno(87);
/// Socket operation on non-socket.
pub const ENOTSOCK: Errno = Errno(88);
/// Destination address required.
pub const EDESTADDRREQ: Errno = Errno(89);
/// Message too long.
pub const EMSGSIZE: Errno = Errno(90);
/// Protocol wrong type for socket.
pub const EPROTOTYPE: Errno = Errno(91);
/// Protocol not available.
pub const ENOPROTOOPT: Errno = Errno(92);
/// Protocol not supported.
pub const EPROTONOSUPPORT: Errno = Errno(93);
/// Socket type not supported.
pub const ESOCKTNOSUPPORT: Errno = Errno(94);
/// Operation not supported.
pub const EOPNOTSUPP: Errno = Errno(95);
/// Protocol family not supported.
pub const EPFNOSUPPORT: Errno = Errno(96);
/// Address family not supported by protocol.
pub const EAFNOSUPPORT: Errno = Errno(97);
/// Address already in use.
pub const EADDRINUSE: Errno = Errno(98);
/// Cannot assign requested address.
pub const EADDRNOTAVAIL: Errno = Errno(99);
/// Network is down.
pub const ENETDOWN: Errno = Errno(100);
/// Network is unreachable.
pub const ENETUNREACH: Errno = Errno(101);
/// Network dropped connection on reset.
pub const ENETRESET: Errno = Errno(102);
/// Software caused connection abort.
pub const ECONNABORTED: Errno = Errno(103);
/// Connection reset by peer.
pub const ECONNRESET: Errno = Errno(104);
/// No buffer space available.
pub const ENOBUFS: Errno = Errno(105);
/// Transport endpoint is already connected.
pub const EISCONN: Errno = Errno(106);
/// Transport endpoint is not connected.
pub const ENOTCONN: Errno = Errno(107);
/// Transport endpoint is shut down.
pub const ESHUTDOWN: Errno = Errno(108);
/// Too many references.
pub const ETOOMANYREFS: Errno = Errno(109);
/// Connection timed out.
pub const ETIMEDOUT: Errno = Errno(110);
/// Connection refused.
pub const ECONNREFUSED: Errno = Errno(111);
/// Host is down.
pub const EHOSTDOWN: Errno = Errno(112);
/// No route to host.
pub const EHOSTUNREACH: Errno = Errno(113);
/// Operation already in progress.
pub const EALREADY: Errno = Errno(114);
/// Operation now in progress.
pub const EINPROGRESS: Errno = Errno(115);
/// Stale file handle.
pub const ESTALE: Errno = Errno(116);
/// Structure needs cleaning.
pub const EUCLEAN: Errno = Errno(117);
/// Not a named type file.
pub const ENOTNAM: Errno = Errno(118);
/// No semaphores available.
pub const ENAVAIL: Errno = Errno(119);
/// Is a named type file.
pub const EISNAM: Errno = Errno(120);
/// Remote I/O error.
pub const EREMOTEIO: Errno = Errno(121);
/// Disk quota exceeded.
pub const EDQUOT: Errno = Errno(122);
/// No medium found.
pub const ENOMEDIUM: Errno = Errno(123);
/// Wrong medium type.
pub const EMEDIUMTYPE: Errno = Errno(124);
/// Operation canceled.
pub const ECANCELED: Errno = Errno(125);
/// Required key not available.
pub const ENOKEY: Errno = Errno(126);
/// Key has expired.
pub const EKEYEXPIRED: Errno = Errno(127);
/// Key has been revoked.
pub const EKEYREVOKED: Errno = Errno(128);
/// Key was rejected by service.
pub const EKEYREJECTED: Errno = Errno(129);
/// Owner died.
pub const EOWNERDEAD: Errno = Errno(130);
/// State not recoverable.
pub const ENOTRECOVERABLE: Errno = Errno(131);
/// Operation not supported; the same number as [`EOPNOTSUPP`].
pub const ENOTSUP: Errno = EOPNOTSUPP;

/// Names and texts, in order of the numbers from 1.
pub const TABLE: [(&str, &core::ffi::CStr); 131] = [
    ("EPERM", c"Operation not permitted"),
    ("ENOENT", c"No such file or directory"),
    ("ESRCH", c"No such process"),
    ("EINTR", c"Interrupted system call"),
    ("EIO", c"Input/output error"),
    ("ENXIO", c"No such device or address"),
    ("E2BIG", c"Argument list too long"),
    ("ENOEXEC", c"Exec format error"),
    ("EBADF", c"Bad file descriptor"),
    ("ECHILD", c"No child processes"),
    ("EAGAIN", c"Resource temporarily unavailable"),
    ("ENOMEM", c"Cannot allocate memory"),
    ("EACCES", c"Permission denied"),
    ("EFAULT", c"Bad address"),
    ("ENOTBLK", c"Block device required"),
    ("EBUSY", c"Device or resource busy"),
    ("EEXIST", c"File exists"),
    ("EXDEV", c"Invalid cross-device link"),
    ("ENODEV", c"No such device"),
    ("ENOTDIR", c"Not a directory"),
    ("EISDIR", c"Is a directory"),
    ("EINVAL", c"Invalid argument"),
    ("ENFILE", c"Too many open files in system"),
    ("EMFILE", c"Too many open files"),
    ("ENOTTY", c"Inappropriate ioctl for device"),
    ("ETXTBSY", c"Text file busy"),
    ("EFBIG", c"File too large"),
    ("ENOSPC", c"No space left on device"),
    ("ESPIPE", c"Illegal seek"),
    ("EROFS", c"Read-only file system"),
    ("EMLINK", c"Too many links"),
    ("EPIPE", c"Broken pipe"),
    ("EDOM", c"Numerical argument out of domain"),
    ("ERANGE", c"Numerical result out of range"),
    ("EDEADLK", c"Resource deadlock avoided"),
    ("ENAMETOOLONG", c"File name too long"),
    ("ENOLCK", c"No locks available"),
    ("ENOSYS", c"Function not implemented"),
    ("ENOTEMPTY", c"Directory not empty"),
    ("ELOOP", c"Too many levels of symbolic links"),
    ("EWOULDBLOCK", c"Operation would block"),
    ("ENOMSG", c"No message of desired type"),
    ("EIDRM", c"Identifier removed"),
    ("ECHRNG", c"Channel number out of range"),
    ("EL2NSYNC", c"Level 2 not synchronized"),
    ("EL3HLT", c"Level 3 halted"),
    ("EL3RST", c"Level 3 reset"),
    ("ELNRNG", c"Link number out of range"),
    ("EUNATCH", c"Protocol driver not attached"),
    ("ENOCSI", c"No CSI structure available"),
    ("EL2HLT", c"Level 2 halted"),
    ("EBADE", c"Invalid exchange"),
    ("EBADR", c"Invalid request descriptor"),
    ("EXFULL", c"Exchange full"),
    ("ENOANO", c"No anode"),
    ("EBADRQC", c"Invalid request code"),
    ("EBADSLT", c"Invalid slot"),
    ("EDEADLOCK", c"Resource deadlock avoided"),
    ("EBFONT", c"Bad font file format"),
    ("ENOSTR", c"Device not a stream"),
    ("ENODATA", c"No data available"),
    ("ETIME", c"Timer expired"),
    ("ENOSR", c"Out of streams resources"),
    ("ENONET", c"Machine is not on the network"),
    ("ENOPKG", c"Package not installed"),
    ("EREMOTE", c"Object is remote"),
    ("ENOLINK", c"Link has been severed"),
    ("EADV", c"Advertise error"),
    ("ESRMNT", c"Srmount error"),
    ("ECOMM", c"Communication error on send"),
    ("EPROTO", c"Protocol error"),
    ("EMULTIHOP", c"Multihop attempted"),
    ("EDOTDOT", c"RFS specific error"),
    ("EBADMSG", c"Bad message"),
    ("EOVERFLOW", c"Value too large for defined data type"),
    ("ENOTUNIQ", c"Name not unique on network"),
    ("EBADFD", c"File descriptor in bad state"),
    ("EREMCHG", c"Remote address changed"),
    ("ELIBACC", c"Cannot access a needed shared library"),
    ("ELIBBAD", c"Accessing a corrupted shared library"),
    ("ELIBSCN", c"Corrupted library section in executable"),
    ("ELIBMAX", c"Too many shared libraries"),
    ("ELIBEXEC", c"Cannot exec a shared library directly"),
    (
        "EILSEQ",
        c"Invalid or incomplete multibyte or wide character",
    ),
    ("ERESTART", c"Interrupted system call should be restarted"),
    ("ESTRPIPE", c"Streams pipe error"),
    ("EUSERS", c"Too many users"),
    ("ENOTSOCK", c"Socket operation on non-socket"),
    ("EDESTADDRREQ", c"Destination address required"),
    ("EMSGSIZE", c"Message too long"),
    ("EPROTOTYPE", c"Protocol wrong type for socket"),
    ("ENOPROTOOPT", c"Protocol not available"),
    ("EPROTONOSUPPORT", c"Protocol not supported"),
    ("ESOCKTNOSUPPORT", c"Socket type not supported"),
    ("EOPNOTSUPP", c"Operation not supported"),
    ("EPFNOSUPPORT", c"Protocol family not supported"),
    ("EAFNOSUPPORT", c"Address family not supported by protocol"),
    ("EADDRINUSE", c"Address already in use"),
    ("EADDRNOTAVAIL", c"Cannot assign requested address"),
    ("ENETDOWN", c"Network is down"),
    ("ENETUNREACH", c"Network is unreachable"),
    ("ENETRESET", c"Network dropped connection on reset"),
    ("ECONNABORTED", c"Software caused connection abort"),
    ("ECONNRESET", c"Connection reset by peer"),
    ("ENOBUFS", c"No buffer space available"),
    ("EISCONN", c"Transport endpoint is already connected"),
    ("ENOTCONN", c"Transport endpoint is not connected"),
    ("ESHUTDOWN", c"Transport endpoint is shut down"),
    ("ETOOMANYREFS", c"Too many references"),
    ("ETIMEDOUT", c"Connection timed out"),
    ("ECONNREFUSED", c"Connection refused"),
    ("EHOSTDOWN", c"Host is down"),
    ("EHOSTUNREACH", c"No route to host"),
    ("EALREADY", c"Operation already in progress"),
    ("EINPROGRESS", c"Operation now in progress"),
    ("ESTALE", c"Stale file handle"),
    ("EUCLEAN", c"Structure needs cleaning"),
    ("ENOTNAM", c"Not a named type file"),
    ("ENAVAIL", c"No semaphores available"),
    ("EISNAM", c"Is a named type file"),
    ("EREMOTEIO", c"Remote I/O error"),
    ("EDQUOT", c"Disk quota exceeded"),
    ("ENOMEDIUM", c"No medium found"),
    ("EMEDIUMTYPE", c"Wrong medium type"),
    ("ECANCELED", c"Operation canceled"),
    ("ENOKEY", c"Required key not available"),
    ("EKEYEXPIRED", c"Key has expired"),
    ("EKEYREVOKED", c"Key has been revoked"),
    ("EKEYREJECTED", c"Key was rejected by service"),
    ("EOWNERDEAD", c"Owner died"),
    ("ENOTRECOVERABLE", c"State not recoverable"),
];

/// The text of an error number, if it is one of ours.
#[must_use]
pub fn text(number: i32) -> Option<&'static core::ffi::CStr> {
    match number {
        0 => Some(c"Success"),
        _ => usize::try_from(number)
            .ok()
            .and_then(|n| n.checked_sub(1))
            .and_then(|n| TABLE.get(n))
            .map(|(_, text)| *text),
    }
}

/// The name of an error number, such as `ENOENT`.
#[must_use]
pub fn name(number: i32) -> Option<&'static str> {
    usize::try_from(number)
        .ok()
        .and_then(|n| n.checked_sub(1))
        .and_then(|n| TABLE.get(n))
        .map(|(name, _)| *name)
}
