//! The loss that options are tried on.

use std::fmt::Write as _;

use super::Options;

/// The text of a loss with a scalar, and with a choice of functions if the input names one; names
/// are the input's.
pub fn text(options: &Options<'_>) -> String {
    let name = |name, default| quoted(options.get(name).unwrap_or(default));
    let mut functions: Vec<_> = options.all("function").collect();
    if functions.is_empty() {
        functions.push("tried.first");
    }
    let mut text = format!("module attributes {{loss.name = {}", name("name", "tried"));
    if options.get("choice").is_some() {
        let _ = write!(
            text,
            ", loss.choice = {}, loss.default = {}",
            name("choice", ""),
            name("default", "first")
        );
    }
    text += "} {\n";
    for (index, function) in functions.iter().enumerate() {
        let default = options.get("number-default").unwrap_or("2.0");
        let number = format!("{{loss.name = {}, loss.default = {default} : f32}}", name("number", "gamma"));
        text += &function_text(&quoted(function), &number, &name("result", "positives"), index);
    }
    text + "}\n"
}

/// One function; each computes something different.
fn function_text(name: &str, number: &str, result: &str, index: usize) -> String {
    let op = ["mul", "add", "sub"][index % 3];
    format!(
        r#"  func.func @{name}(%x: tensor<?x?xf32>, %t: tensor<?x?xui8>, %n: tensor<f32> {number}) -> (tensor<f32>, tensor<?xi64> {{loss.name = {result}}}) {{
    %one = "loss.constant"() {{value = 1.0 : f32}} : () -> tensor<?x?xf32>
    %f = "loss.cast"(%t) : (tensor<?x?xui8>) -> tensor<?x?xf32>
    %m = "loss.equal"(%f, %one) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xi1>
    %c = "loss.count"(%m) : (tensor<?x?xi1>) -> tensor<?xi64>
    %b = "loss.broadcast"(%n) : (tensor<f32>) -> tensor<?x?xf32>
    %s = "loss.softplus"(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %w = "loss.{op}"(%b, %s) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %v = "loss.select"(%m, %w, %x) : (tensor<?x?xi1>, tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %g = "loss.sum"(%v) : (tensor<?x?xf32>) -> tensor<?xf32>
    %l = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
    return %l, %c : tensor<f32>, tensor<?xi64>
  }}
"#
    )
}

/// The text as a string of MLIR.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'"' && byte != b'\\' => quoted.push(byte.into()),
            _ => {
                let _ = write!(quoted, "\\{byte:02X}");
            }
        }
    }
    quoted + "\""
}
