// The pages that links in mails open. Nothing is sent before somebody presses a button: scanners of
// mail open links too. The code stands in the fragment, which browsers send to no server.

const TIMEOUT_MS = 15_000;

const element = (id) => document.getElementById(id);
const forms = { redeem: element("redeem"), renew: element("renew") };
const notice = element("notice");
const password = element("password");
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
  for (const id of ["redeem", "renew", "redeemed", "renewed"]) {
    element(id).hidden = id !== wanted;
  }
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

onSubmit(forms.redeem, async () => {
  const body = { token };
  if (password) {
    hidePassword();
    if (!acceptable(password, passwordFault())) return;
    body.password = password.value;
  }
  const answer = await post(document.body.dataset.redeem, body);
  if (answer.ok) {
    token = "";
    if (password) password.value = "";
    finish("redeemed");
  } else if (answer.code === "invalid-code" || answer.faults.has("/token")) {
    token = "";
    show("renew");
    tell("This link does not work any more: it was used before, it is too old, or a part of it is missing.");
  } else if (password && answer.faults.has("/password")) {
    acceptable(password, `The password ${answer.faults.get("/password")}.`);
  } else {
    tell(answer.text);
  }
});

onSubmit(forms.renew, async () => {
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

function passwordFault() {
  // As the service counts: code points of the composed form.
  const length = [...password.value.normalize("NFC")].length;
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

function hidePassword() {
  password.type = "password";
  element("reveal").firstChild.data = "Show";
}

if (password) {
  element("reveal").addEventListener("click", () => {
    if (password.type === "text") {
      hidePassword();
    } else {
      password.type = "text";
      element("reveal").firstChild.data = "Hide";
    }
  });
}

// A second link opened in this tab changes the fragment only, and loads nothing.
addEventListener("hashchange", start);
start();
