// On every page: the search, the height of moving figures, and code that is too wide for those who have no mouse.
addEventListener("DOMContentLoaded", () => {
  if (window.PagefindUI) new PagefindUI({ element: "#search", showImages: false, showSubResults: true });
  for (const figure of document.querySelectorAll("iframe.moving")) {
    const fit = () => (figure.style.height = `${figure.contentDocument.body.scrollHeight + 4}px`);
    figure.addEventListener("load", () => new ResizeObserver(fit).observe(figure.contentDocument.body));
  }
  for (const wide of document.querySelectorAll("pre, .table-wrapper")) if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
});
