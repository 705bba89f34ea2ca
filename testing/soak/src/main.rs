//! The program behind `cargo xtask soak`.

#![forbid(unsafe_code)]

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    selvedge_soak::main()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() -> std::process::ExitCode {
    eprintln!("the soak traces processes as Linux on x86-64 does it, and runs there only");
    std::process::ExitCode::from(2)
}
