use super::*;
use crate::arguments::Arguments;

#[test]
fn each_shell_lists_products_where_a_product_is_wanted() {
    let list = "entitlectl --quiet --timeout 1s product list";
    let of = |shell| script(shell, Arguments::whole());
    let bash = of(Shell::Bash);
    for command in ["check", "why", "product__subcmd__remove"] {
        let label = format!("        entitlectl__subcmd__{command})\n            opts=\"$({list}");
        assert!(bash.contains(&label), "{command}");
    }
    assert!(
        bash.contains(&format!(
            "--product)\n                    COMPREPLY=($(compgen -W \"$({list}"
        ))
    );
    assert!(bash.contains("compgen -u --"));
    let zsh = of(Shell::Zsh);
    for first in ["':product -- ", "'::product -- "] {
        let line = zsh.lines().find(|it| it.starts_with(first)).unwrap_or_default();
        assert!(line.contains(&format!(":{{compadd -- $({list}")), "{line}");
    }
    assert!(zsh.contains(&format!(":PRODUCT:{{compadd -- $({list}")));
    assert!(zsh.contains(":CUSTOMER:_users"));
    let fish = of(Shell::Fish);
    let nested = "__fish_seen_subcommand_from product; and __fish_seen_subcommand_from remove";
    assert!(fish.contains(&format!("\"{nested}\" -f -a \"({list}")));
    assert!(fish.contains("-l customer -x -a \"(__fish_complete_users)\""));
}

#[test]
fn only_what_takes_a_name_first_is_completed_with_names() {
    let wanting = wanting(&Arguments::whole(), "product", &[]);
    let has = |path: &str| wanting.iter().any(|it| it.join(" ") == path);
    assert!(has("check") && has("customer tier") && has("logs"));
    assert!(!has("product lint") && !has("wallet link") && !has("status"));
}
