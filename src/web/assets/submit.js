// Sends the only form of the page, once. Without script its button does the same.
const form = document.querySelector("form[data-submit]");

// Coming back by the history must not send it a second time.
const entry = performance.getEntriesByType("navigation")[0];
if (form && entry?.type !== "back_forward") form.requestSubmit();
