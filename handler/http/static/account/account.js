// The pages that links in mails open. Nothing is sent before somebody presses a button: scanners of
// mail open links too. The code stands in the fragment, which browsers send to no server.

const TIMEOUT_MS = 15_000;

const element = (id) => document.getElementById(id);
// Each of those that a page has, with one field or none; `renew` asks for another mail.
const forms = [...document.forms];
const renew = element("renew");
const notice = element("notice");
const email = element("email");
const keys = new Map();

let token = "";

function start() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    token = found;
    // Neither the history nor a glance at the address bar gives the code away.
    history.replaceState(null, "", location.pathname + location.search);
  }
  tell("");
  show(token ? "redeem" : "renew");
}

function show(wanted) {
  for (const part of [...forms, element("redeemed"), element("renewed")]) {
    part.hidden = part.id !== wanted;
  }
}

function turnTo(id) {
  tell("");
  show(id);
  element(id).querySelector("input").focus();
}

function finish(id) {
  tell("");
  show(id);
  element(id).querySelector("h2").focus();
}

function tell(text) {
  notice.textContent = text;
  if (text) notice.focus();
}

function mark(input, fault) {
  element(`${input.id}-fault`).textContent = fault;
  if (fault) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function onSubmit(form, work) {
  const button = form.querySelector("button[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    try {
      await work();
    } finally {
      button.ariaDisabled = "false";
    }
  });
}

for (const form of forms.filter((each) => each !== renew)) {
  onSubmit(form, () => redeem(form.querySelector("input")));
}

async function redeem(password) {
  const body = { token };
  if (password) {
    hide(password);
    if (!acceptable(password, passwordFault(password))) return;
    body[password.name] = password.value;
  }
  const answer = await post(document.body.dataset.redeem, body);
  const fault = password && answer.faults?.get(`/${password.name}`);
  if (answer.ok) {
    token = "";
    forget();
    finish("redeemed");
  } else if (answer.code === "invalid-code" || answer.faults.has("/token")) {
    token = "";
    show("renew");
    tell("This link does not work any more: it was used before, it is too old, or a part of it is missing.");
  } else if (fault) {
    acceptable(password, `The password ${fault}.`);
  } else if (!password && answer.faults.has("/password")) {
    // The code is of a sign-up, and proves nobody's password.
    turnTo("prove");
  } else {
    tell(answer.text);
  }
}

function forget() {
  for (const password of document.querySelectorAll("input[name$=password]")) {
    password.value = "";
  }
}

onSubmit(renew, async () => {
  if (!acceptable(email, email.value.trim() ? "" : "Enter your email address.")) return;
  const answer = await post(document.body.dataset.renew, { email: email.value.trim() });
  if (answer.ok) finish("renewed");
  else if (answer.faults.has("/email")) acceptable(email, "This is no email address that can be used here.");
  else tell(answer.text);
});

function acceptable(input, fault) {
  mark(input, fault);
  if (fault) {
    tell("");
    input.focus();
  }
  return !fault;
}

function passwordFault(password) {
  // As the service counts: code points of the composed form.
  const length = [...password.value.normalize("NFC")].length;
  if (!length) return "Enter the password.";
  if (length >= password.minLength) return "";
  return `Use ${password.minLength} characters or more; this has ${length}.`;
}

async function post(path, body) {
  const content = JSON.stringify(body);
  try {
    const response = await fetch(new URL(path, location.href), {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": keyOf(path + content) },
      body: content,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return response.ok ? { ok: true } : await refusal(response);
  } catch {
    return { faults: new Map(), text: "The service could not be reached. Check the connection and try again." };
  }
}

// The same request again, after an answer got lost, has the same key and gets the same answer.
function keyOf(request) {
  if (!keys.has(request)) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    keys.set(request, Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return keys.get(request);
}

async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  return {
    code: String(problem.type ?? "").split("/").pop(),
    faults: new Map((problem.errors ?? []).map((fault) => [fault.pointer, fault.detail])),
    text: wording(response, problem),
  };
}

function wording(response, problem) {
  const wait = Number(response.headers.get("retry-after"));
  if (response.status === 429) return `Too many tries. Wait ${duration(wait)} and try again.`;
  if (response.status < 500 && problem.detail) return problem.detail;
  const reference = problem.request_id ? ` If it goes on, report this number: ${problem.request_id}` : "";
  return `The service cannot answer at the moment. Try again in ${duration(wait)}.${reference}`;
}

function duration(seconds) {
  if (!(seconds > 0)) return "a minute";
  if (seconds < 120) return seconds === 1 ? "a second" : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}

function hide(password) {
  password.type = "password";
  revealOf(password).firstChild.data = "Show";
}

function revealOf(password) {
  return document.querySelector(`button[aria-controls=${password.id}]`);
}

for (const password of document.querySelectorAll("input[type=password]")) {
  revealOf(password).addEventListener("click", () => {
    if (password.type === "text") {
      hide(password);
    } else {
      password.type = "text";
      revealOf(password).firstChild.data = "Hide";
    }
  });
}

for (const way of document.querySelectorAll("button[data-way]")) {
  way.addEventListener("click", () => turnTo(way.dataset.way));
}

// A second link opened in this tab changes the fragment only, and loads nothing.
addEventListener("hashchange", start);
start();
