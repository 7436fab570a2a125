// The conversation, kept in this tab's session storage: a page that is loaded again has it, and resumes the answers that were in their middle.

const PLACE = "manta-talk", EVERY_MS = 1000;
let later = 0, snapshot = () => [];

// The oldest turns go where there is no room for all.
function write() {
  clearTimeout(later);
  later = 0;
  for (let turns = snapshot(); ; turns = turns.slice(1)) {
    try {
      if (turns.length === 0) sessionStorage.removeItem(PLACE);
      else sessionStorage.setItem(PLACE, JSON.stringify(turns));
      return;
    } catch (problem) {
      if (turns.length === 0) return; // this browser keeps nothing
    }
  }
}

// `take` makes what is to be kept; it is written when the page goes away, and about once a second after each changed().
export function keep(take) {
  snapshot = take;
  window.addEventListener("pagehide", write);
}

export function changed() {
  later = later || setTimeout(write, EVERY_MS);
}

// What a page before this one kept, [] for nothing that makes sense.
export function kept() {
  try {
    const turns = JSON.parse(sessionStorage.getItem(PLACE) || "[]");
    return Array.isArray(turns) ? turns : [];
  } catch {
    return [];
  }
}
