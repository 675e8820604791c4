#[test]
fn size() {
    use super::*;
    for arch in Arch::ALL {
        let mut f = Filter {
            arch,
            exec: Exec::Once { fd: 1000, ticket: Ticket(0x1234_5678_9abc_def0) },
            network: Network::None,
            forks: false,
            kernel_log: false,
        };
        eprintln!("{arch:?} none {} allowed {}", f.compile().insns().len(), allowed_count(arch));
        f.network = Network::Tables;
        eprintln!("{arch:?} tables {}", f.compile().insns().len());
        f.exec = Exec::Listed;
        eprintln!("{arch:?} listed {}", f.compile().insns().len());
    }
    eprintln!("{}", table().count());
}
