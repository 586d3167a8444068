// SPDX-License-Identifier: GPL-2.0

//! The bindings agree with what C compilers of both widths make of the header.

use quarry_uapi::{opcode, sys};
use std::{
    collections::BTreeMap,
    env, fs,
    mem::{offset_of, size_of},
    path::PathBuf,
    process::Command,
};

/// Names and numbers, as both sides print them.
type Facts = BTreeMap<String, u64>;

/// Collects sizes and offsets as Rust sees them, and writes the C program that prints the same.
macro_rules! layouts {
    ($facts:ident, $c:ident; $($type:ident { $($field:ident),* $(,)? })*) => {
        $(
            let name = stringify!($type);
            $facts.insert(format!("sizeof {name}"), size_of::<sys::$type>() as u64);
            $c.push_str(&format!(
                "printf(\"sizeof {name}=%llu\\n\", (unsigned long long)sizeof(struct {name}));\n"
            ));
            $(
                let field = stringify!($field);
                $facts.insert(
                    format!("offsetof {name}.{field}"),
                    offset_of!(sys::$type, $field) as u64,
                );
                $c.push_str(&format!(
                    "printf(\"offsetof {name}.{field}=%llu\\n\", \
                     (unsigned long long)offsetof(struct {name}, {field}));\n"
                ));
            )*
            // The pattern has no `..`: a member that is added to the header must be added here.
            #[allow(unused)]
            fn $type(all: sys::$type) {
                let sys::$type { $($field: _),* } = all;
            }
        )*
    };
}

/// Collects ioctl numbers as Rust sees them, and writes the C that prints them.
macro_rules! commands {
    ($facts:ident, $c:ident; $($ioc:ident: $cmd:ident,)*) => {
        $(
            let name = stringify!($ioc);
            $facts.insert(name.to_owned(), u64::from(opcode(sys::$cmd)));
            $c.push_str(&format!(
                "printf(\"{name}=%llu\\n\", (unsigned long long){name});\n"
            ));
        )*
    };
}

/// Returns the facts of the bindings, and the body of a C program that prints those of the header.
fn facts() -> (Facts, String) {
    let mut facts = Facts::new();
    let mut c = String::new();
    layouts! { facts, c;
        quarry_query {
            size, flags, abi, page_size, features, max_order, nr_cpus, nr_nodes, chunk_order,
            max_kmalloc, quota_bytes, quota_handles, quota_batch, quota_caches, used_handles,
            used_bytes,
        }
        quarry_alloc { size, flags, kind, node, bytes, cache, pool, handle, usable }
        quarry_realloc { size, flags, handle, bytes, usable }
        quarry_free { size, flags, handle }
        quarry_io { size, flags, handle, offset, length, buffer }
        quarry_pattern { size, flags, handle, offset, length, seed, first_bad }
        quarry_frame { chunk, frame }
        quarry_explain {
            size, flags, handle, kind, layer, traits, node, requested, usable, cache_name,
            object_size, objects, objects_used, object_index, order, nr_pages, frames, max_frames,
            nr_frames,
        }
        quarry_map { size, flags, handle, offset, length }
        quarry_cache_create { size, flags, object_size, align, name, cache, pool }
        quarry_cache_destroy { size, flags, cache, reserved }
        quarry_op { op, flags, kind, node, bytes, handle, arg, result, pool }
        quarry_batch { size, flags, ops, nr, op_size, done, failed }
        quarry_stats {
            size, flags, pool_pages, pool_pages_peak, free_pages, cached_pages, block_pages,
            slab_pages, area_pages, chunks, small_chunks, grown, returned, grow_failed,
            metadata_bytes, watermark_pages, limit_pages, page_allocs, page_frees, page_refills,
            page_drains, page_slow, page_failed, object_allocs, object_frees, object_bytes, slabs,
            slab_object_bytes, area_allocs, area_frees, area_maps, area_unmaps, areas_live,
            areas_kept, areas_kept_pages, clients, client_bytes, client_handles, bad_frees,
            free_blocks, reserved,
        }
        quarry_cache_stats {
            size, flags, cache, object_size, objects_per_slab, slab_order, slabs, objects, live,
            cached, allocs, frees, refills, drains, slow, name,
        }
        quarry_shrink { size, flags, pages }
        quarry_validate { size, flags, checks, violations, message }
        quarry_pool_create { size, flags, limit, reserve, nodes, name, pool, reserved }
        quarry_pool_destroy { size, flags, pool, reserved }
        quarry_pool_limit { size, flags, pool, reserved, limit }
        quarry_pool_stats {
            size, flags, pool, traits, name, limit, reserve, used, peak, stashed, failures, waits,
            longest_wait,
        }
    }
    commands! { facts, c;
        QUARRY_IOC_QUERY: QUARRY_CMD_QUERY,
        QUARRY_IOC_ALLOC: QUARRY_CMD_ALLOC,
        QUARRY_IOC_REALLOC: QUARRY_CMD_REALLOC,
        QUARRY_IOC_FREE: QUARRY_CMD_FREE,
        QUARRY_IOC_READ: QUARRY_CMD_READ,
        QUARRY_IOC_WRITE: QUARRY_CMD_WRITE,
        QUARRY_IOC_FILL: QUARRY_CMD_FILL,
        QUARRY_IOC_VERIFY: QUARRY_CMD_VERIFY,
        QUARRY_IOC_EXPLAIN: QUARRY_CMD_EXPLAIN,
        QUARRY_IOC_MAP: QUARRY_CMD_MAP,
        QUARRY_IOC_CACHE_CREATE: QUARRY_CMD_CACHE_CREATE,
        QUARRY_IOC_CACHE_DESTROY: QUARRY_CMD_CACHE_DESTROY,
        QUARRY_IOC_BATCH: QUARRY_CMD_BATCH,
        QUARRY_IOC_STATS: QUARRY_CMD_STATS,
        QUARRY_IOC_CACHE_STATS: QUARRY_CMD_CACHE_STATS,
        QUARRY_IOC_SHRINK: QUARRY_CMD_SHRINK,
        QUARRY_IOC_VALIDATE: QUARRY_CMD_VALIDATE,
        QUARRY_IOC_POOL_CREATE: QUARRY_CMD_POOL_CREATE,
        QUARRY_IOC_POOL_DESTROY: QUARRY_CMD_POOL_DESTROY,
        QUARRY_IOC_POOL_LIMIT: QUARRY_CMD_POOL_LIMIT,
        QUARRY_IOC_POOL_STATS: QUARRY_CMD_POOL_STATS,
    }
    (facts, c)
}

/// A directory that is deleted when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("quarry-abi-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns the C compiler.
fn cc() -> String {
    env::var("CC").unwrap_or_else(|_| "gcc".to_owned())
}

/// Returns whether the compiler takes that width.
fn takes(scratch: &Scratch, width: &str) -> bool {
    let source = scratch.0.join("probe.c");
    let object = scratch.0.join("probe.o");
    fs::write(&source, "int main(void) { return 0; }\n").expect("a file");
    let built = Command::new(cc())
        .args([width, "-c", "-o"])
        .arg(&object)
        .arg(&source)
        .output();
    built.is_ok_and(|output| output.status.success())
}

/// Has a C compiler check the facts. Nothing is run, so that no C library of that width is needed:
/// every number becomes a static assertion.
fn assert_compiles(scratch: &Scratch, width: &str, facts: &Facts) {
    let include = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../include/uapi");
    let mut program = String::from("#include <stddef.h>\n#include <linux/quarry.h>\n");
    for (name, value) in facts {
        let expression = match name.split_once(' ') {
            Some(("sizeof", structure)) => format!("sizeof(struct {structure})"),
            Some((_, member)) => {
                let (structure, field) = member.split_once('.').expect("structure.field");
                format!("offsetof(struct {structure}, {field})")
            }
            None => name.clone(),
        };
        program.push_str(&format!(
            "_Static_assert({expression} == {value}ULL, \"{name} is {value}\");\n"
        ));
    }
    let source = scratch.0.join("assert.c");
    fs::write(&source, program).expect("a file");
    let output = Command::new(cc())
        .args(["-std=gnu11", "-Wall", "-Werror", width, "-fsyntax-only"])
        .arg("-I")
        .arg(include)
        .arg(&source)
        .output()
        .expect("a C compiler");
    assert!(
        output.status.success(),
        "{width}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Returns the facts that a program of this machine's C compiler prints.
fn printed(scratch: &Scratch, body: &str) -> Facts {
    let include = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../include/uapi");
    let source = scratch.0.join("print.c");
    let program = scratch.0.join("print");
    fs::write(
        &source,
        format!(
            "#include <stddef.h>\n#include <stdio.h>\n#include <linux/quarry.h>\n\
             int main(void)\n{{\n{body}return 0;\n}}\n"
        ),
    )
    .expect("a file");
    let output = Command::new(cc())
        .args(["-std=gnu11", "-Wall", "-Werror", "-I"])
        .arg(include)
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .output()
        .expect("a C compiler");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let output = Command::new(&program).output().expect("the program runs");
    String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(|line| {
            let (name, value) = line.split_once('=').expect("name=value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

#[test]
fn bindings_agree_with_what_c_prints() {
    let (facts, body) = facts();
    assert_eq!(facts, printed(&Scratch::new("print"), &body));
}

#[test]
fn both_widths_have_the_layout_of_the_bindings() {
    let (facts, _) = facts();
    for width in ["-m64", "-m32"] {
        let scratch = Scratch::new(&width[1..]);
        if !takes(&scratch, width) {
            eprintln!("SKIP: {} does not take {width} here", cc());
            continue;
        }
        assert_compiles(&scratch, width, &facts);
    }
}

#[test]
fn ioctl_numbers_carry_type_and_command_only() {
    assert_eq!(opcode(sys::QUARRY_CMD_QUERY) & 0xffff, 0xbb20);
    assert_eq!(opcode(sys::QUARRY_CMD_VALIDATE) & 0xffff, 0xbb30);
}
