//! What the pages say, in each language.
//!
//! Texts live in `fr.ftl` and `en.ftl` (Project Fluent) and are compiled in. A text is named where it is used by
//! `texts.text("id")` or `texts.text_with("id", […])`; tests check that every text exists in every language, that
//! every one used exists, that every one is used, and that French typography is respected. Values put into a text are
//! plain: the template escapes the result.

use std::{borrow::Cow, sync::LazyLock};

use chrono::{DateTime, Utc};
use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

use super::language::Language;

const FRENCH: &str = include_str!("fr.ftl");
const ENGLISH: &str = include_str!("en.ftl");

static IN_FRENCH: LazyLock<Texts> = LazyLock::new(|| Texts::parse(Language::French, FRENCH));
static IN_ENGLISH: LazyLock<Texts> = LazyLock::new(|| Texts::parse(Language::English, ENGLISH));

/// All texts of one language.
pub struct Texts {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts").field("language", &self.language).finish_non_exhaustive()
    }
}

impl Language {
    /// The texts in this language.
    pub fn texts(self) -> &'static Texts {
        match self {
            Self::French => &IN_FRENCH,
            Self::English => &IN_ENGLISH,
        }
    }
}

impl Texts {
    pub fn language(&self) -> Language {
        self.language
    }

    /// The text with this id. A missing one shows as its id: a page with a flaw beats no page, and a test finds it.
    pub fn text(&self, id: &str) -> String {
        self.find(id, None).unwrap_or_else(|| id.to_owned())
    }

    /// The text with this id, with values for its `{ $name }` places.
    pub fn text_with(&self, id: &str, values: &[(&str, &str)]) -> String {
        self.find(id, Some(&arguments(values.iter().copied()))).unwrap_or_else(|| id.to_owned())
    }

    /// A day, as people write it. That of Greenwich: nobody plans by the hour with it.
    pub fn date(&self, at: &DateTime<Utc>) -> String {
        let form = match self.language {
            Language::French => "%d/%m/%Y",
            Language::English => "%-d %b %Y",
        };
        at.format(form).to_string()
    }

    /// The text with this id for a number, available to it as `{ $n }` (plural forms).
    pub fn text_count(&self, id: &str, n: i64) -> String {
        let mut args = FluentArgs::new();
        args.set("n", FluentValue::from(n));
        self.find(id, Some(&args)).unwrap_or_else(|| id.to_owned())
    }

    /// What happened, and what to do, for a stable error code; `None` for a code without a text of its own.
    pub fn error(&self, code: &str, values: &[(Cow<'_, str>, Cow<'_, str>)]) -> Option<(String, String)> {
        let args = arguments(values.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        let id = format!("error-{code}");
        Some((self.find(&id, Some(&args))?, self.find(&format!("{id}.action"), Some(&args))?))
    }

    /// The title of an error's page: the error's own (`.title`), else the common one.
    pub fn error_title(&self, code: &str) -> String {
        self.find(&format!("error-{code}.title"), None).unwrap_or_else(|| self.text("error-title"))
    }

    /// `id`, or `id.attribute`.
    fn find(&self, id: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
        let (id, attribute) = id.split_once('.').map_or((id, None), |(id, attribute)| (id, Some(attribute)));
        let message = self.bundle.get_message(id)?;
        let pattern = match attribute {
            Some(attribute) => message.get_attribute(attribute)?.value(),
            None => message.value()?,
        };
        let mut flaws = Vec::new();
        let text = self.bundle.format_pattern(pattern, args, &mut flaws).into_owned();
        for flaw in flaws {
            tracing::error!(id, language = self.language.tag(), %flaw, "a text could not be filled in");
        }
        Some(text)
    }

    fn parse(language: Language, source: &'static str) -> Self {
        let locale = language.tag().parse::<LanguageIdentifier>().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
        // Both languages run left to right; isolation marks would end up in attributes and titles.
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, flaws)| {
            tracing::error!(language = language.tag(), ?flaws, "texts with a syntax error");
            resource
        });
        if let Err(flaws) = bundle.add_resource(resource) {
            tracing::error!(language = language.tag(), ?flaws, "texts defined twice");
        }
        Self { language, bundle }
    }
}

fn arguments<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> FluentArgs<'a> {
    values.into_iter().map(|(name, value)| (name, FluentValue::from(value))).collect()
}

#[cfg(test)]
mod tests;
