// Choosing many things at once by dragging a frame over them, with a mouse or a pen; a finger scrolls.

const FAR = 6;

/** Call `choose` with the children of `container` that a frame touched. A drag is no click. */
export function dragOver(container, choose) {
  const frame = document.createElement("div");
  frame.className = "frame";
  let from = null;
  let dragged = false;

  const bounds = (event) => ({
    left: Math.min(from.x, event.clientX), right: Math.max(from.x, event.clientX),
    top: Math.min(from.y, event.clientY), bottom: Math.max(from.y, event.clientY),
  });
  const touched = (area) => [...container.children].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.left < area.right && box.right > area.left && box.top < area.bottom && box.bottom > area.top;
  });
  const stop = () => {
    from = null;
    frame.remove();
    for (const each of container.children) each.classList.remove("touched");
  };

  container.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.pointerType !== "touch" && event.button === 0) from = { x: event.clientX, y: event.clientY };
  });
  addEventListener("pointermove", (event) => {
    if (!from || (!dragged && Math.hypot(event.clientX - from.x, event.clientY - from.y) < FAR)) return;
    dragged = true;
    const area = bounds(event);
    document.body.append(frame);
    Object.assign(frame.style, { left: `${area.left}px`, top: `${area.top}px`, width: `${area.right - area.left}px`, height: `${area.bottom - area.top}px` });
    const inside = new Set(touched(area));
    for (const each of container.children) each.classList.toggle("touched", inside.has(each));
  });
  addEventListener("pointerup", (event) => {
    if (from && dragged) {
      const chosen = touched(bounds(event));
      if (chosen.length) choose(chosen);
    }
    stop();
  });
  addEventListener("pointercancel", stop);
  // The click that ends a drag is none of a tile; one by key, which has no detail, is.
  container.addEventListener("click", (event) => { if (dragged && event.detail) event.stopImmediatePropagation(); }, { capture: true });
}
