// After a logout: loads the pages of the relying parties, then goes on to the one that asked, after three seconds at most.
const load = (frame) =>
  new Promise((resolve) => {
    frame.addEventListener("load", resolve, { once: true });
    frame.src = frame.dataset.src;
  });
const loaded = Promise.all([...document.querySelectorAll("iframe[data-src]")].map(load));
const patience = new Promise((resolve) => setTimeout(resolve, 3000));
const next = document.querySelector("a[data-next]");
if (next) Promise.race([loaded, patience]).then(() => location.replace(next.href));
