// On every page: the search, the height of moving figures, and what those need who see nothing or hold no mouse.
addEventListener("DOMContentLoaded", () => {
  if (window.PagefindUI) new PagefindUI({ element: "#search", showImages: false, showSubResults: true });
  document.querySelector("#search input")?.setAttribute("aria-label", "Search");
  for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = 2;
  for (const figure of document.querySelectorAll("iframe.moving")) {
    const fit = () => (figure.style.height = `${figure.contentDocument.body.scrollHeight + 4}px`);
    figure.addEventListener("load", () => new ResizeObserver(fit).observe(figure.contentDocument.body));
  }
  for (const wide of document.querySelectorAll("pre, .table-wrapper")) if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
});
