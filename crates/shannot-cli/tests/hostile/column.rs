//! The columns of the matrix of hostile cases.

use std::ffi::OsStr;

use shannot::policy::profile::Tier;

use crate::harness::{Profile, bwrap_works, is_root, shannot, user_namespaces};

/// One column of the matrix: who starts the box, and the one tier that the profile accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) by_root: bool,
    pub(crate) tier: Tier,
    /// The ABI to which the kernel's Landlock is held down.
    pub(crate) landlock: Option<u32>,
    /// Whether the box is made before its command is known, by a program that lives for long.
    pub(crate) warm: bool,
    /// Whether the box is made by an agent, behind an `ssh`.
    pub(crate) far: bool,
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

    pub(crate) const ROOT_T1_FAR: Self = Self::ROOT_T1.behind_ssh();
    pub(crate) const ROOT_T2_FAR: Self = Self::ROOT_T2.behind_ssh();
    pub(crate) const ROOT_T3_FAR: Self = Self::ROOT_T3.behind_ssh();
    pub(crate) const ROOT_L_FAR: Self = Self::ROOT_L.behind_ssh();
    pub(crate) const USER_T2_FAR: Self = Self::USER_T2.behind_ssh();
    pub(crate) const USER_T3_FAR: Self = Self::USER_T3.behind_ssh();
    pub(crate) const USER_L_FAR: Self = Self::USER_L.behind_ssh();
    pub(crate) const ROOT_L4_FAR: Self = Self::ROOT_L4.behind_ssh();
    pub(crate) const USER_L1_FAR: Self = Self::USER_L1.behind_ssh();

    const fn of(by_root: bool, tier: Tier) -> Self {
        Self { by_root, tier, landlock: None, warm: false, far: false }
    }

    const fn behind_ssh(self) -> Self {
        Self { far: true, ..self }
    }

    /// For the names of files.
    pub(crate) fn name(self) -> String {
        let abi = self.landlock.map(|abi| abi.to_string()).unwrap_or_default();
        let warm = if self.warm { "-warm" } else { "" };
        let far = if self.far { "-far" } else { "" };
        format!("{}-{}{abi}{warm}{far}", if self.by_root { "root" } else { "user" }, self.tier)
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

/// Makes a test of each column of a function that takes one: of all those here, and behind an `ssh` of root's
/// and of a user's in the first tier of each. What ends with `, in_every_tier` has all columns there too.
macro_rules! in_every_column {
    ($($name:ident => $check:expr $(, $more:ident)?;)*) => {$(
        mod $name {
            use super::*;
            crate::column::in_every_column! {
                @tests $check;
                root_t1 ROOT_T1, root_t2 ROOT_T2, root_t3 ROOT_T3, root_l ROOT_L,
                user_t2 USER_T2, user_t3 USER_T3, user_l USER_L,
                root_l4 ROOT_L4, user_l1 USER_L1,
                root_warm ROOT_WARM, user_warm USER_WARM,
                root_t1_far ROOT_T1_FAR, user_t2_far USER_T2_FAR
            }
            $(crate::column::in_every_column! { @$more $check })?
        }
    )*};
    (@in_every_tier $check:expr) => {
        crate::column::in_every_column! {
            @tests $check;
            root_t2_far ROOT_T2_FAR, root_t3_far ROOT_T3_FAR, root_l_far ROOT_L_FAR,
            user_t3_far USER_T3_FAR, user_l_far USER_L_FAR,
            root_l4_far ROOT_L4_FAR, user_l1_far USER_L1_FAR
        }
    };
    (@tests $check:expr; $($test:ident $column:ident),*) => {
        $(crate::column::in_every_column! { @test $check; $test $column })*
    };
    (@test $check:expr; $test:ident $column:ident) => {
        #[test]
        fn $test() {
            crate::column::in_column(crate::column::Column::$column, $check);
        }
    };
}
pub(crate) use in_every_column;

/// The same of the columns here alone, for what means nothing elsewhere. Why not is said beside it.
macro_rules! in_every_column_here {
    ($($name:ident => $check:expr;)*) => {$(
        mod $name {
            use super::*;
            crate::column::in_every_column! {
                @tests $check;
                root_t1 ROOT_T1, root_t2 ROOT_T2, root_t3 ROOT_T3, root_l ROOT_L,
                user_t2 USER_T2, user_t3 USER_T3, user_l USER_L,
                root_l4 ROOT_L4, user_l1 USER_L1,
                root_warm ROOT_WARM, user_warm USER_WARM
            }
        }
    )*};
}

/// Does the check where this machine and this user have the column; where not, asserts that
/// shannot refuses it too.
pub(crate) fn in_column(column: Column, check: impl FnOnce(Column)) {
    let missing = match column.tier {
        _ if column.by_root && !is_root() => Some("this is not root"),
        Tier::T2 if !user_namespaces() => Some("user namespaces are refused here"),
        Tier::T3 if !bwrap_works(column) => Some("bwrap does not work here"),
        _ => None,
    };
    let Some(why) = missing else {
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(column)));
        return match checked {
            Err(panic) if panic.is::<RefusedAsItShould>() => {}
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => {}
        };
    };
    if column.by_root && column.tier != Tier::T1 {
        // As an ordinary user, these are other columns.
        println!("{why}");
        return;
    }
    let out = shannot(column, &Profile::default(), &["--json"], &[OsStr::new("/bin/true")])
        .output()
        .expect("shannot starts");
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success(), "{why}, and yet {} started", column.name());
    println!("{why}, so {} was only seen to be refused: {text}", column.name());
}

struct RefusedAsItShould;

/// Ends a check that has come to what its column refuses, once that was seen.
pub(crate) fn refused_as_it_should() -> ! {
    std::panic::panic_any(RefusedAsItShould)
}
