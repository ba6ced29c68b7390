// The last page of a card sign-in. In a popup, the page that waits hears how it ended and answers; then this window
// closes itself. In the tab the person signs in with, nobody waits: it goes on.
const end = document.querySelector("[data-finish]");
const { txn, state, next, sameTab } = end.dataset;
const channel = new BroadcastChannel("sceau-card");

// The server says so, or the sign-in page has left this mark, where that page was in this tab. Otherwise this is a popup,
// and the page that waits may be busy; if it is gone, somebody else has to go on.
const inItsTab = sameTab !== undefined || sessionStorage.getItem(`sceau-left-${txn}`) !== null;
const alone = setTimeout(() => location.replace(next), inItsTab ? 0 : 5000);

channel.addEventListener("message", ({ data }) => {
  if (data?.txn !== txn || data.state !== "heard") return;
  clearTimeout(alone);
  window.close();
  // A browser that does not let the page close its window leaves it open: then the page says that it can be closed.
  for (const part of end.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== "heard";
});

channel.postMessage({ txn, state });
