use std::sync::Arc;
use shannot::policy::{Argv, Locale, Profile, Request, Stages, profile::Examples};
use shannot::{Gate, Io, LocalExecutor};
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap();
    let text = std::fs::read_to_string(&file)?;
    let profile = Profile::parse(&text, &file, Examples::Check, &|_| Err("none".into()))?;
    let name = profile.name.clone();
    let gate = Gate::new([Arc::new(profile)], Arc::new(LocalExecutor::on_this_thread()?));
    let request = Request { profile: name, stages: Stages::new(vec![Argv::from_words(args)?])?, cwd: None, timeout: None, locale: Locale::default() };
    let output = gate.run(request, Io::default())?.collect().await;
    println!("{}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{:#?}", output.outcome);
    Ok(())
}
