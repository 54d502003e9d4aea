use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{prop, prop_assert, proptest};
use seawall_core::Instant;
use tempfile::TempDir;

use super::*;
use crate::health::Level;

/// A machine of files.
struct Machine(TempDir);

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(path, text)| machine.write(path, text));
        machine
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn root(&self) -> Root {
        Root(self.0.path().into())
    }
}

fn at(second: u64) -> Instant {
    Instant::ORIGIN + Duration::from_secs(3600 + second)
}

fn told(finding: &Finding) -> (Option<Level>, String, Option<f64>) {
    let why = finding.why.as_deref().unwrap_or("").to_owned();
    (finding.level, why, finding.measured.map(|measured| (measured.value * 1e4).round() / 1e4))
}

#[test]
fn the_processor_is_measured_between_two_looks() {
    let machine = Machine::new(&[("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3 4\n")]);
    let cpu = Cpu::under(machine.root());
    assert_eq!(told(&cpu.look_at(at(0))), (Some(Level::Healthy), String::new(), None));
    machine.write("proc/stat", "cpu  160 0 130 806 4 0 0 0 0 0\n");
    let (level, why, share) = told(&cpu.look_at(at(30)));
    assert_eq!((level, &*why, share), (Some(Level::Degraded), "processor at 90 %", Some(0.9)));
    machine.write("proc/stat", "cpu  1 0 1 1 4 0 0 0 0 0\n");
    assert_eq!(cpu.look_at(at(60)).measured, None, "counters that went back show nothing");
    machine.write("proc/stat", "nonsense");
    assert_eq!(cpu.look_at(at(90)).level, None);
}

#[test]
fn a_container_is_measured_by_its_own_quota() {
    let machine = Machine::new(&[
        ("proc/stat", "cpu  100 0 100 800 0 0 0 0\n"),
        ("proc/self/cgroup", "0::/app.slice\n"),
        ("sys/fs/cgroup/app.slice/cpu.max", "50000 100000\n"),
        ("sys/fs/cgroup/app.slice/cpu.stat", "usage_usec 1000000\nuser_usec 5\n"),
    ]);
    let cpu = Cpu::under(machine.root());
    cpu.look_at(at(0));
    machine.write("proc/stat", "cpu  110 0 100 1800 0 0 0 0\n");
    machine.write("sys/fs/cgroup/app.slice/cpu.stat", "usage_usec 15250000\n");
    // 14.25 s of processor in 30 s, of half a processor.
    assert_eq!(told(&cpu.look_at(at(30))).2, Some(0.95));
}

#[test]
fn memory_is_the_machines_or_the_containers_whichever_is_fuller() {
    let machine = Machine::new(&[(
        "proc/meminfo",
        "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    400 kB\n",
    )]);
    let memory = Memory::under(machine.root());
    assert_eq!(told(&memory.look()), (Some(Level::Healthy), "memory at 60 %".into(), Some(0.6)));
    machine.write("proc/self/cgroup", "0::/../../outside\n");
    machine.write("sys/fs/cgroup/memory.max", "1000\n");
    machine.write("sys/fs/cgroup/memory.current", "980\n");
    machine.write("sys/fs/cgroup/memory.stat", "anon 5\ninactive_file 20\n");
    assert_eq!(told(&memory.look()), (Some(Level::Unhealthy), "memory at 96 %".into(), Some(0.96)));
    machine.write("sys/fs/cgroup/memory.max", "max\n");
    assert_eq!(memory.look().level, Some(Level::Healthy));
    machine.write("proc/meminfo", "MemTotal: 0 kB\nMemAvailable: 0 kB\n");
    assert_eq!(memory.look().level, None);
}

#[tokio::test]
async fn a_disk_is_measured_as_df_does_and_a_path_that_is_gone_is_unhealthy() {
    let here = tempfile::tempdir().unwrap();
    let finding = Arc::new(Disk::of(here.path())).probe().await;
    let share = finding.measured.expect("it was measured").value;
    assert!((0.0..=1.0).contains(&share), "{share}");
    let gone = here.path().join("gone");
    assert_eq!(Arc::new(Disk::of(&gone)).probe().await.level, Some(Level::Unhealthy));
    let mut full = rustix::fs::statvfs(here.path()).unwrap();
    (full.f_blocks, full.f_bfree, full.f_bavail) = (1000, 100, 40);
    (full.f_files, full.f_ffree, full.f_favail) = (0, 0, 0);
    let disk = Disk::of("/data");
    assert_eq!(told(&disk.judge(&full)), (Some(Level::Unhealthy), "disk /data at 96 %".into(), Some(0.9574)));
    (full.f_bfree, full.f_bavail, full.f_files, full.f_ffree, full.f_favail) = (900, 900, 100, 12, 12);
    assert_eq!(
        told(&disk.judge(&full)),
        (Some(Level::Degraded), "files of /data at 88 %".into(), Some(0.88))
    );
    full.f_flag = rustix::fs::StatVfsMountFlags::RDONLY;
    assert_eq!(told(&disk.judge(&full)).1, "/data can only be read");
}

#[test]
fn the_hottest_sensor_counts_and_one_that_says_nonsense_does_not() {
    let machine = Machine::new(&[]);
    let temperature = Temperature::under(machine.root());
    assert_eq!(temperature.look().level, None);
    machine.write("sys/class/thermal/thermal_zone0/temp", "45000\n");
    machine.write("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
    machine.write("sys/class/thermal/cooling_device0/temp", "99000\n");
    machine.write("sys/class/hwmon/hwmon1/temp2_input", "86500\n");
    machine.write("sys/class/hwmon/hwmon1/temp3_input", "-128000\n");
    machine.write("sys/class/hwmon/hwmon1/name", "nvme\n");
    assert_eq!(told(&temperature.look()), (Some(Level::Degraded), "nvme at 86 °C".into(), Some(86.5)));
}

#[test]
fn packets_that_are_lost_and_cards_that_are_down_are_seen() {
    let machine = Machine::new(&[("sys/class/net/lo/operstate", "unknown\n")]);
    let network = Network::under(machine.root());
    assert_eq!(network.look().level, None);
    machine.write("sys/class/net/eth0/operstate", "down\n");
    assert_eq!(told(&network.look()).1, "no network card is up");
    let count = |sent: &str, errors: &str| {
        machine.write("sys/class/net/eth0/operstate", "up\n");
        machine.write("sys/class/net/eth0/statistics/tx_packets", sent);
        machine.write("sys/class/net/eth0/statistics/tx_errors", errors);
        told(&network.look())
    };
    assert_eq!(count("1000\n", "0\n").0, Some(Level::Healthy));
    assert_eq!(count("1010\n", "5\n").2, None, "ten packets show nothing");
    let lost = count("1990\n", "25\n");
    assert_eq!(lost, (Some(Level::Degraded), "packets lost by eth0 at 2 %".into(), Some(0.02)));
}

#[tokio::test]
async fn graphics_processors_are_absent_or_read_or_asked() {
    let machine = Machine::new(&[]);
    let command = machine.0.path().join("nvidia-smi");
    let look = || async { told(&Arc::new(Gpu::under(machine.root(), command.clone())).probe().await) };
    assert_eq!(look().await.0, None);
    machine.write("sys/class/drm/card0-HDMI-A-1/device/gpu_busy_percent", "1\n");
    assert_eq!(look().await.0, None, "a socket is no card");
    machine.write("sys/class/drm/card0/device/mem_info_vram_used", "96\n");
    machine.write("sys/class/drm/card0/device/mem_info_vram_total", "100\n");
    machine.write("sys/class/drm/card0/device/hwmon/hwmon3/temp1_input", "51000\n");
    assert_eq!(look().await, (Some(Level::Degraded), "memory of card0 at 96 %".into(), Some(51.0)));
    machine.write("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: x\n");
    assert!(look().await.1.starts_with("there is a card of NVIDIA, and nvidia-smi cannot be run"));
    let answer = |text: &str| {
        fs::write(&command, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
    };
    answer("echo '0, 1024, 24576, 97'; echo '1, [N/A], 24576, [N/A]'");
    assert_eq!(look().await, (Some(Level::Unhealthy), "gpu 0 at 97 °C".into(), Some(97.0)));
    answer("exit 9");
    assert_eq!(look().await.1, "nvidia-smi ended with exit status: 9");
    answer("echo No devices were found");
    assert_eq!(look().await.1, "nvidia-smi knows of no card");
}

#[tokio::test]
async fn a_driver_that_hangs_is_unhealthy_when_the_deadline_passes_and_its_process_is_gone() {
    let machine = Machine::new(&[("proc/driver/nvidia/gpus/0/information", "")]);
    let (command, pid) = (machine.0.path().join("nvidia-smi"), machine.0.path().join("pid"));
    fs::write(&command, format!("#!/bin/sh\necho $$ > {}\nexec sleep 60\n", pid.display())).unwrap();
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
    let registry =
        crate::health::Registry::new(crate::health::Options { down_after: 1, ..Default::default() }).unwrap();
    let check = Check::new("gpu", Gpu::under(machine.root(), command)).deadline(Duration::from_millis(150));
    registry.register(check).unwrap();
    let standing = registry.run("gpu").await.unwrap();
    assert_eq!(standing.last.unwrap().why.as_deref(), Some("no answer in 150ms"));
    let pid = fs::read_to_string(pid).expect("it was begun").trim().to_owned();
    for _ in 0..100 {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if state.is_empty() || state.contains(") Z ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("process {pid} is still there");
}

#[test]
fn bounds_that_are_not_in_order_are_refused() {
    let bounds = |degraded, unhealthy| Bounds { degraded, unhealthy };
    assert_eq!(Cpu::within(bounds(0.9, 0.8)).unwrap_err().key, "bounds");
    assert!(Memory::within(bounds(f64::NAN, 0.8)).is_err());
    assert!(Network::within(bounds(0.0, 0.8)).is_err());
    assert!(Temperature::within(bounds(70.0, 80.0)).is_ok());
    assert!(Disk::of("/").within(bounds(0.5, f64::NAN)).is_err());
    assert!(Gpu::within(bounds(0.5, 0.9), bounds(80.0, 70.0)).is_err());
}

#[tokio::test]
async fn this_machine_is_looked_at_without_a_panic() {
    let registry = crate::health::Registry::new(crate::health::Options::default()).unwrap();
    checks("/").into_iter().for_each(|check| registry.register(check).unwrap());
    let snapshot = registry.run_all().await;
    assert_eq!(snapshot.checks.len(), 6);
    if cfg!(target_os = "linux") {
        let memory = snapshot.checks.iter().find(|check| &*check.name == "memory").unwrap();
        assert!(memory.last.as_ref().unwrap().measured.is_some(), "{memory:?}");
    }
}

proptest! {
    /// Law: whatever the files say, nothing panics, and a share is a share.
    #[test]
    fn whatever_the_files_say_is_bounded(
        stat in "(cpu [0-9 ]{0,60}\n)?\\PC{0,40}",
        again in "(cpu [0-9 ]{0,60}\n)?\\PC{0,40}",
        meminfo in "(Mem(Total|Available): [0-9]{0,25} kB\n){0,3}\\PC{0,20}",
        group in prop::sample::select(vec!["0::/\n", "0::/../..\n", "0::/x/y\n", "1:cpu:/\n", "0::", ""]),
        max in "[0-9]{0,22}|max|-1|NaN|inf|1e999",
    ) {
        let machine = Machine::new(&[
            ("proc/stat", &stat),
            ("proc/meminfo", &meminfo),
            ("proc/self/cgroup", group),
            ("sys/fs/cgroup/memory.max", &max),
            ("sys/fs/cgroup/memory.current", &max),
            ("sys/fs/cgroup/cpu.max", &format!("{max} 100000")),
            ("sys/fs/cgroup/cpu.stat", &format!("usage_usec {max}")),
            ("sys/class/thermal/thermal_zone0/temp", &max),
        ]);
        let cpu = Cpu::under(machine.root());
        let mut findings = vec![cpu.look_at(at(0))];
        machine.write("proc/stat", &again);
        findings.push(cpu.look_at(at(30)));
        findings.push(Memory::under(machine.root()).look());
        Temperature::under(machine.root()).look();
        for measured in findings.iter().filter_map(|finding| finding.measured) {
            prop_assert!((0.0..=1.0).contains(&measured.value), "{:?}", measured);
        }
    }
}
