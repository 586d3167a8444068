# SPDX-License-Identifier: GPL-2.0
#
# For the Kbuild of a Rust module that uses quarry: include it below obj-m, and
# "use quarry::..." works in each .rs of that directory. QUARRY_TREE names the tree.

# All of the crate is generic or inlined, so that its metadata is enough, and there is nothing to link.
quarry_api := $(QUARRY_TREE)/rust/api

rustflags-y += -L $(obj) --extern quarry

quiet_cmd_quarry_api = RUSTC   $@
      cmd_quarry_api = $(filter-out --extern=quarry,$(subst --extern quarry,,$(rust_common_cmd))) \
	--crate-name quarry -Zalways-encode-mir --emit=metadata=$@ $<

$(obj)/libquarry.rmeta: $(quarry_api)/quarry.rs $(wildcard $(quarry_api)/*.rs) FORCE
	+$(call if_changed_dep,quarry_api)

targets += libquarry.rmeta
clean-files += libquarry.rmeta libquarry.d

$(addprefix $(obj)/,$(filter %.o,$(obj-m) $(foreach m,$(obj-m:.o=),$($(m)-y)))): $(obj)/libquarry.rmeta
