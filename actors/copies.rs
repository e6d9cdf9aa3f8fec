//! A backup of the living town: made beside its work, recorded when it is there.

use std::path::PathBuf;

use backup::Job;
use git::CancelToken;
use model::answer::Answer;
use model::command::Origin;
use model::refusal::Refusal;

use crate::errand::blocking;
use crate::tools::Tools;

/// Makes a backup of the town into the folder `dir`. A town that stops does not wait for it.
///
/// # Errors
/// As [`backup::make()`]; `called_off` when the town stops meanwhile.
pub async fn backup(tools: &Tools, origin: &Origin, dir: PathBuf) -> Result<Answer, Refusal> {
    let cancel = CancelToken::new();
    let (paths, store, now) = (tools.paths.clone(), tools.store.clone(), tools.clock.now());
    let token = cancel.clone();
    let work =
        blocking(move || backup::make(&Job { paths: &paths, store: &store, dir: &dir, now, cancel: token }));
    tokio::pin!(work);
    let mut stopping = tools.stopping.subscribe();
    let stop = async move { drop(stopping.wait_for(Option::is_some).await) };
    let made = tokio::select! {
        made = &mut work => made,
        () = stop => {
            cancel.cancel();
            work.await
        }
    };
    let made = made.map_err(|why| Refusal::failed("backup_failed", why))??;
    let event = backup::make::event(&made);
    let note = move |draft: &mut clerk::draft::Draft<'_>| {
        draft.push(event);
        Ok(())
    };
    // The backup is there, whether that can be recorded or not.
    if let Err(refusal) = tools.note(&origin.actor(), note).await {
        tracing::warn!(%refusal, "cannot record that a backup was made");
    }
    Ok(Answer::BackedUp(Box::new(made)))
}
