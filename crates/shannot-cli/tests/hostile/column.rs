//! The columns of the matrix of hostile cases.

use shannot::policy::profile::Tier;

/// One column of the matrix: who starts the box, and the one tier that the profile accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) by_root: bool,
    pub(crate) tier: Tier,
    /// The ABI to which the kernel's Landlock is held down.
    pub(crate) landlock: Option<u32>,
    /// Whether the box is made before its command is known, by a program that lives for long.
    pub(crate) warm: bool,
}

impl Column {
    pub(crate) const ROOT_T1: Self = Self::of(true, Tier::T1);
    pub(crate) const ROOT_T2: Self = Self::of(true, Tier::T2);
    pub(crate) const ROOT_T3: Self = Self::of(true, Tier::T3);
    pub(crate) const ROOT_L: Self = Self::of(true, Tier::L);
    pub(crate) const USER_T2: Self = Self::of(false, Tier::T2);
    pub(crate) const USER_T3: Self = Self::of(false, Tier::T3);
    pub(crate) const USER_L: Self = Self::of(false, Tier::L);
    pub(crate) const ROOT_L4: Self = Self { landlock: Some(4), ..Self::ROOT_L };
    pub(crate) const USER_L1: Self = Self { landlock: Some(1), ..Self::USER_L };

    pub(crate) const ROOT_WARM: Self = Self { warm: true, ..Self::ROOT_T1 };
    pub(crate) const USER_WARM: Self = Self { warm: true, ..Self::USER_T2 };

    const fn of(by_root: bool, tier: Tier) -> Self {
        Self { by_root, tier, landlock: None, warm: false }
    }

    /// For the names of files.
    pub(crate) fn name(self) -> String {
        let abi = self.landlock.map(|abi| abi.to_string()).unwrap_or_default();
        let warm = if self.warm { "-warm" } else { "" };
        format!("{}-{}{abi}{warm}", if self.by_root { "root" } else { "user" }, self.tier)
    }

    /// Whether Landlock has no scopes here, and so no signal can be sent in the box.
    pub(crate) const fn is_without_scopes(self) -> bool {
        self.landlock.is_some()
    }

    /// How abort(3) ends a program: by an invalid instruction where it may not signal itself.
    pub(crate) const fn abort_signal(self) -> i32 {
        if self.is_without_scopes() { 11 } else { 6 }
    }

    /// Whether root starts the box.
    pub(crate) const fn by_root(self) -> bool {
        self.by_root
    }
}
