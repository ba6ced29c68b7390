// The last page of a card sign-in. In a popup, the page that waits hears how it ended and answers; then this window
// closes itself. If nobody answers, this is the tab the person signs in with, and it goes on.
const end = document.querySelector("[data-finish]");
const { txn, state, next } = end.dataset;
const channel = new BroadcastChannel("sceau-card");

const alone = setTimeout(() => location.replace(next), 700);

channel.addEventListener("message", ({ data }) => {
  if (data?.txn !== txn || data.state !== "heard") return;
  clearTimeout(alone);
  window.close();
  // A browser that does not let the page close its window leaves it open: then the page says that it can be closed.
  for (const part of end.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== "heard";
});

channel.postMessage({ txn, state });
