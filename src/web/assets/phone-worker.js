// The worker of the phone's application: shows that something waits, and opens the application. It is told nothing
// else, answers no request and keeps nothing. What it says stands before it, in the language in which it was
// registered: `words`.
self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (event) => {
  const { title, body, lang } = words;
  // One at a time: what waits is counted in the application.
  event.waitUntil(self.registration.showNotification(title, { body, lang, tag: "waiting", renotify: true }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(opened());
});

async function opened() {
  const all = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const own = all.find(({ url }) => new URL(url).pathname === "/phone");
  return own ? own.focus() : self.clients.openWindow("/phone");
}
