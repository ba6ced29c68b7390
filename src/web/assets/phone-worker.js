// What is woken on a phone: it says that something waits, and opens the application. What it is stands there alone.
self.addEventListener("push", (event) => {
  const words = { fr: "Une demande vous attend", en: "Something waits for you" };
  const language = (self.navigator.language || "fr").startsWith("en") ? "en" : "fr";
  const shown = { body: words[language], tag: "sceau", lang: language };
  event.waitUntil(self.registration.showNotification("Sceau", shown));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(
    self.clients.matchAll({ type: "window" }).then((all) => {
      const open = all.find((one) => new URL(one.url).pathname === "/phone");
      return open ? open.focus() : self.clients.openWindow("/phone");
    }),
  );
});
