// What is asked of the head: always the one that this page came from. The key lies in this tab's session storage and goes into a header, never
// into an address or a cookie, so a page of another site cannot use it.

const PLACE = "manta-key";

export const key = {
  get: () => sessionStorage.getItem(PLACE) || "",
  set: value => sessionStorage.setItem(PLACE, value),
  forget: () => sessionStorage.removeItem(PLACE),
};

export function headers(more = {}) {
  return key.get() ? {authorization: `Bearer ${key.get()}`, ...more} : more;
}

// The head said no, and why.
export class Refusal extends Error {
  constructor(status, message, afterS) {
    super(message);
    this.status = status;
    this.afterS = afterS;
  }
}

export async function refusal(response) {
  let message = `the head answered with status ${response.status}`;
  try {
    message = (await response.json()).error.message;
  } catch { /* no body of manta's: a proxy's, perhaps */ }
  return new Refusal(response.status, message, Number(response.headers.get("retry-after")) || 0);
}

export async function ask(method, path, body) {
  const options = {method, headers: headers(body === undefined ? {} : {"content-type": "application/json"}), cache: "no-store"};
  if (body !== undefined) options.body = JSON.stringify(body);
  const response = await fetch(path, options);
  if (!response.ok) throw await refusal(response);
  return response.json();
}

// The server-sent events of a response, one after the other: {event, data, id}, or {comment}.
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", event = {};
  try {
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const [, name, text] = /^([^:]*)(?:: ?(.*))?$/.exec(line.replace(/\r$/, "")) || [];
        if (line === "" || line === "\r") {
          if (event.data !== undefined) yield event;
          event = {};
        } else if (name === "") yield {comment: text};
        else if (name === "data") event.data = event.data === undefined ? text : `${event.data}\n${text}`;
        else event[name] = text;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
