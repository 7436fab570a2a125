"""A real Kubernetes control plane, in the network namespace that the test runs in: etcd, API server, controller manager, scheduler.

Where no kubelet runs (node.py has real ones), `Nodes` below plays it, and no more than a test needs. It takes pods that the real scheduler has bound to it, starts each container's
command as a process with the volumes as folders, asks the probes, writes the pods' status, and ends what is deleted with SIGTERM and its grace. So the
objects, their admission, their controllers, RBAC and tokens are Kubernetes' own, and the programs are manta's; containers and their network are not tested.
"""

import base64
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

ADDRESS = "10.0.0.1"
NODES = ["n1", "n2", "n3"]
CONTROL = os.environ["KUBE_CONTROL"]
NODE_GRACE_S = 20  # Kubernetes' own default is 50: a node that is silent for so long is called lost …
EVICT_S = 10       # … and its pods are deleted after so long more (300)


class Away(OSError):
    """The API server is there and cannot answer now."""


class Refused(Exception):
    def __init__(self, code, status):
        super().__init__(f"{code}: {status.get('message', status)}")
        self.code = code


def run(*args, stdin=None, check=True, **options):
    end = subprocess.run([str(a) for a in args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)
    assert not check or end.returncode == 0, f"{args}: {end.stderr}"
    return end


def wait_for(what, condition, timeout_s=120):
    end = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(OSError):  # of an API server that is away
            if result := condition():
                return result
        assert time.monotonic() < end, f"waited {timeout_s} s in vain for {what}"
        time.sleep(0.1)


class Api:
    """The API server, asked with a token."""

    def __init__(self, ca, token):
        self.context = ssl.create_default_context(cafile=ca)
        self.token = token

    def __call__(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(f"https://{ADDRESS}:6443{path}", method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            text = e.read()
            if e.code == 429 or e.code >= 500:
                raise Away(text.decode(errors="replace")) from None
            try:
                raise Refused(e.code, json.loads(text)) from None
            except ValueError:
                raise Refused(e.code, {"message": text.decode(errors="replace")}) from None
        except http.client.HTTPException as e:
            raise Away(str(e)) from None


class ControlPlane:
    """Its parts are processes that a test may end, hold and start again."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.children = {}
        self.started = time.monotonic()
        self.make_certificates()
        self.commands = self.make_commands()
        self.start("etcd")
        self.start("apiserver")
        self.api = Api(self.folder / "ca.crt", "admin-token")
        wait_for("the API server", self.is_ready, 180)
        self.start("controller-manager")
        self.start("scheduler")
        self.admin = self.kubeconfig("admin")
        wait_for("the controllers", lambda: self.finds("/api/v1/namespaces/default/serviceaccounts/default"), 180)
        self.up_s = time.monotonic() - self.started

    def make_commands(self):
        f = self.folder
        controllers = [f"--root-ca-file={f}/ca.crt", f"--service-account-private-key-file={f}/accounts.key", "--use-service-account-credentials=true",
                       f"--node-monitor-grace-period={NODE_GRACE_S}s", "--node-monitor-period=1s"]
        return {
            "etcd": ["etcd", "--data-dir", f / "etcd", "--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
                     "--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
                     "--initial-cluster", "default=http://127.0.0.1:2380", "--logger", "zap"],
            "apiserver": [CONTROL, "apiserver", "--etcd-servers=http://127.0.0.1:2379", f"--bind-address={ADDRESS}", f"--advertise-address={ADDRESS}",
                          "--secure-port=6443", f"--tls-cert-file={f}/server.crt", f"--tls-private-key-file={f}/server.key", f"--cert-dir={f}",
                          "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=Node,RBAC",
                          "--kubelet-preferred-address-types=InternalIP", f"--kubelet-client-certificate={f}/admin.crt", f"--kubelet-client-key={f}/admin.key", f"--token-auth-file={f}/tokens.csv",
                          "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={f}/accounts.pub",
                          f"--service-account-signing-key-file={f}/accounts.key", "--allow-privileged=true",
                          f"--default-not-ready-toleration-seconds={EVICT_S}", f"--default-unreachable-toleration-seconds={EVICT_S}"],
            **{part: [CONTROL, part, f"--kubeconfig={self.kubeconfig(part)}", "--leader-elect=false", "--bind-address=127.0.0.1",
                      *(controllers if part == "controller-manager" else [])] for part in ("controller-manager", "scheduler")},
        }

    def make_certificates(self):
        f = self.folder
        (f / "tokens.csv").write_text("admin-token,admin,1,system:masters\ncontroller-manager-token,system:kube-controller-manager,2\n"
                                      "scheduler-token,system:kube-scheduler,3\n"
                                      + "".join(f'{n}-token,system:node:{n},{n},"system:nodes"\n' for n in NODES))
        (f / "san").write_text(f"subjectAltName=IP:{ADDRESS},IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc\n")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f / "ca.key", "-out", f / "ca.crt", "-subj", "/CN=test-ca", "-days", "2")
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f / "server.key", "-out", f / "server.csr", "-subj", "/CN=kube-apiserver")
        run("openssl", "x509", "-req", "-in", f / "server.csr", "-CA", f / "ca.crt", "-CAkey", f / "ca.key", "-CAcreateserial", "-days", "2", "-extfile",
            f / "san", "-out", f / "server.crt")
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f / "admin.key", "-out", f / "admin.csr", "-subj", "/O=system:masters/CN=apiserver")
        run("openssl", "x509", "-req", "-in", f / "admin.csr", "-CA", f / "ca.crt", "-CAkey", f / "ca.key", "-CAcreateserial", "-days", "2", "-out", f / "admin.crt")
        run("openssl", "genrsa", "-out", f / "accounts.key", "2048")
        run("openssl", "rsa", "-in", f / "accounts.key", "-pubout", "-out", f / "accounts.pub")

    def kubeconfig(self, who):
        path = self.folder / f"{who}.kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"https://{ADDRESS}:6443", "certificate-authority": str(self.folder / "ca.crt")}}],
            "users": [{"name": who, "user": {"token": f"{who}-token"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": who}}]}))
        return path

    def start(self, name):
        log = open(self.folder / f"{name}.log", "a")
        self.children[name] = subprocess.Popen([str(a) for a in self.commands[name]], stdout=log, stderr=subprocess.STDOUT)

    def kill(self, name):
        self.children[name].kill()
        self.children[name].wait()

    def signal(self, name, signum):
        self.children[name].send_signal(signum)

    def is_ready(self):
        for name, child in self.children.items():
            assert child.poll() is None, f"{name} ended: {(self.folder / f'{name}.log').read_text()[-2000:]}"
        with contextlib.suppress(OSError, Refused):
            self.api("GET", "/api/v1/namespaces/kube-system")
            return True
        return False

    def finds(self, path):
        with contextlib.suppress(Refused):
            return self.api("GET", path)
        return None

    def kubectl(self, *args, **options):
        return run(CONTROL, "kubectl", "--kubeconfig", self.admin, *args, **options)

    def helm(self, *args, **options):
        home = {**os.environ, "HOME": str(self.folder), "KUBECONFIG": str(self.admin)}
        return run(os.environ["HELM"], *args, env=home, **options)

    def token(self, namespace, account, seconds=600):
        """Of a service account, from the TokenRequest API."""
        return self.api("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
                        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}})["status"]["token"]

    def stop(self):
        for child in reversed(self.children.values()):
            child.send_signal(signal.SIGCONT)
            child.terminate()
        for child in reversed(self.children.values()):
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Pod:
    """A pod that runs here: its containers' processes."""

    def __init__(self, nodes, pod):
        self.nodes, self.name, self.namespace, self.uid = nodes, pod["metadata"]["name"], pod["metadata"]["namespace"], pod["metadata"]["uid"]
        self.spec, self.labels = pod["spec"], pod["metadata"]["labels"]
        self.folder = nodes.plane.folder / "pods" / self.uid
        self.restarts = {c["name"]: 0 for c in self.spec["containers"]}
        self.ended, self.ending = {}, False
        self.told, self.began, self.ready, self.probe_s = None, now(), {}, {}
        self.volumes = {v["name"]: self.make_volume(v) for v in self.spec["volumes"]}
        self.processes = {c["name"]: self.start(c) for c in self.spec["containers"]}

    def make_volume(self, volume):
        folder = self.folder / volume["name"]
        folder.mkdir(parents=True, exist_ok=True)
        api = self.nodes.plane.api
        if "secret" in volume:
            data = api("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{volume['secret']['secretName']}")["data"]
            for item in volume["secret"]["items"]:
                (folder / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))
        for source in volume.get("projected", {}).get("sources", []):
            if "serviceAccountToken" in source:
                seconds = source["serviceAccountToken"]["expirationSeconds"]
                (folder / "token").write_text(self.nodes.plane.token(self.namespace, self.spec["serviceAccountName"], seconds))
            elif "configMap" in source:
                config = api("GET", f"/api/v1/namespaces/{self.namespace}/configmaps/{source['configMap']['name']}")
                (folder / "ca.crt").write_text(config["data"]["ca.crt"])
            else:
                (folder / "namespace").write_text(self.namespace)
        return folder

    def environment(self, container):
        mounts = {m["mountPath"]: str(self.volumes[m["name"]]) for m in container["volumeMounts"]}
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "XDG_STATE_HOME": mounts.get("/var/lib/manta", str(self.folder)),
               "KUBERNETES_SERVICE_HOST": ADDRESS, "KUBERNETES_SERVICE_PORT": "6443",
               "MANTA_PORT": "tcp://10.96.0.9:8470", "MANTA_SERVICE_HOST": "10.96.0.9"}  # as Kubernetes does for a Service called manta
        for entry in container.get("env", []):
            value = entry.get("value", "")
            if "valueFrom" in entry:
                value = self.labels["apps.kubernetes.io/pod-index"]
            for name, there in env.items():
                value = value.replace(f"$({name})", there)
            mount = next((m for m in mounts if value == m or value.startswith(m + "/")), None)
            env[entry["name"]] = mounts[mount] + value[len(mount):] if mount else value
        return env, mounts

    def start(self, container):
        env, mounts = self.environment(container)
        args = [os.environ["MANTA"], *container["args"]]
        account = mounts.get("/var/run/secrets/kubernetes.io/serviceaccount")
        if account:  # a path that containers have to themselves
            args += ["--set", f"token-file={account}/token", "--set", f"ca-file={account}/ca.crt", "--set", f"namespace={self.namespace}"]
        log = open(self.folder / f"{container['name']}.log", "a")
        return subprocess.Popen(args, env=env, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def log(self, container):
        return (self.folder / f"{container}.log").read_text(errors="replace")

    def is_over(self):
        """A pod that runs once, as that of `helm test`."""
        return self.spec["restartPolicy"] == "Never" and all(p.poll() is not None for p in self.processes.values())

    def revive(self):
        if self.spec["restartPolicy"] == "Never":
            return
        for container in self.spec["containers"]:
            name = container["name"]
            if self.processes[name].poll() is not None and not self.ending:
                self.ended[name] = self.processes[name].returncode
                self.restarts[name] += 1
                self.processes[name] = self.start(container)

    def probe(self, container):
        probe = container.get("readinessProbe")
        if probe is None:
            return True
        if "httpGet" in probe:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:8470{probe['httpGet']['path']}", timeout=5) as answer:
                    return answer.status == 200
            except OSError:
                return False
        command = probe["exec"]["command"]
        return run(os.environ["MANTA"], *command[1:], env=self.environment(container)[0], check=False).returncode == 0

    def is_ready(self, container):
        """As of the last probe; kubelets ask every few seconds."""
        name, clock = container["name"], time.monotonic()
        if clock >= self.probe_s.get(name, 0):
            self.ready[name] = self.processes[name].poll() is None and self.probe(container)
            self.probe_s[name] = clock + (3 if self.ready[name] else 1)
        return self.ready[name]

    def status(self, known):
        """What is new since the last call, or differs from what the API server knows, or None."""
        ready = {c["name"]: self.is_ready(c) for c in self.spec["containers"]}
        told = (ready, dict(self.restarts), self.is_over())
        says = "True" if all(ready.values()) else "False"
        if told == self.told and all(c["status"] == says for c in known.get("conditions", []) if c["type"] == "Ready"):
            return None
        self.told = told
        if self.is_over():
            return {"phase": "Succeeded" if all(p.returncode == 0 for p in self.processes.values()) else "Failed"}
        conditions = [{"type": t, "status": "True" if all(ready.values()) or t in ("PodScheduled", "Initialized") else "False", "lastTransitionTime": now()}
                      for t in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]
        return {"phase": "Running", "podIP": ADDRESS, "hostIP": ADDRESS, "startTime": self.began, "conditions": conditions,
                "containerStatuses": [{"name": c["name"], "image": c["image"], "imageID": "", "ready": ready[c["name"]], "started": True,
                                       "restartCount": self.restarts[c["name"]], "state": {"running": {"startedAt": self.began}}}
                                      for c in self.spec["containers"]]}

    def kill(self):
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def end(self):
        """As kubelet does: SIGTERM, the grace, SIGKILL; then the object goes."""
        self.ending = True
        deadline = time.monotonic() + self.spec["terminationGracePeriodSeconds"]
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.forget()

    def forget(self):
        """Takes the object away, as soon as the API server can be reached."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        while not self.nodes.stopping.is_set():
            try:
                self.nodes.plane.api("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}})
                return
            except Refused:
                return
            except OSError:
                self.nodes.stopping.wait(0.3)


class Nodes(threading.Thread):
    """Plays the kubelets of all nodes; pods of other namespaces never start."""

    def __init__(self, plane, names, namespaces):
        super().__init__(daemon=True)
        self.namespaces = namespaces
        self.plane, self.names, self.lost, self.pods, self.stopping, self.fault, self.beat_s = plane, list(names), set(), {}, threading.Event(), None, 0
        for name in names:
            self.join_cluster(name)
        self.start()

    def join_cluster(self, name):
        self.plane.api("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
        self.beat(name)
        wait_for(f"{name} to be let in", lambda: self.let_in(name))

    def beat(self, name):
        size = {"cpu": "8", "memory": "16Gi", "pods": "50", "ephemeral-storage": "100Gi"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now(), "lastTransitionTime": now()}
        self.plane.api("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"capacity": size, "allocatable": size, "conditions": [ready]}},
                       "application/merge-patch+json")

    def let_in(self, name):
        """The controller manager taints a new node until it is ready."""
        return not self.plane.api("GET", f"/api/v1/nodes/{name}")["spec"].get("taints")

    def run(self):
        try:
            while not self.stopping.wait(0.3):
                try:
                    self.step()
                except OSError:
                    continue  # the API server is away: pods run on
        except Exception as e:  # for the test, which would wait in vain otherwise
            self.fault = e
            raise

    def step(self):
        if time.monotonic() > self.beat_s + 2:
            self.beat_s = time.monotonic()
            for name in self.names:
                if name not in self.lost:
                    self.beat(name)
        there = {p["metadata"]["uid"]: p for p in self.plane.api("GET", "/api/v1/pods")["items"] if p["spec"].get("nodeName")}
        for uid, pod in there.items():
            if pod["spec"]["nodeName"] not in self.lost:
                self.care_for(uid, pod)
        for uid in [u for u in self.pods if u not in there]:
            pod = self.pods.pop(uid)
            pod.kill()  # only of a lost node, whose pods were taken off the list while it was away
            shutil.rmtree(pod.folder, ignore_errors=True)

    def care_for(self, uid, pod):
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        if "deletionTimestamp" in pod["metadata"]:
            if uid in self.pods and not self.pods[uid].ending:
                self.pods[uid].ending = True
                threading.Thread(target=self.pods[uid].end, daemon=True).start()
            elif uid not in self.pods:
                with contextlib.suppress(Refused):
                    self.plane.api("DELETE", path, {"gracePeriodSeconds": 0})
            return
        if pod["metadata"]["namespace"] not in self.namespaces:
            return
        if uid not in self.pods:
            try:
                self.pods[uid] = Pod(self, pod)
            except Refused:
                return  # what it mounts is not there yet
        self.pods[uid].revive()
        status = self.pods[uid].status(pod["status"])
        if status is not None:
            with contextlib.suppress(Refused):
                self.plane.api("PATCH", path + "/status", {"status": status}, "application/merge-patch+json")

    def pod(self, name):
        return next((p for p in list(self.pods.values()) if p.name == name and not p.ending), None)

    def component(self, what):
        return next((p for p in list(self.pods.values()) if p.labels.get("app.kubernetes.io/component") == what and not p.ending), None)

    def pods_of(self, node):
        return [p for p in list(self.pods.values()) if p.spec["nodeName"] == node]

    def lose(self, name):
        """Its power fails, or its cable: no heartbeat, and its processes fall silent without a word to their peers."""
        self.lost.add(name)
        for pod in self.pods_of(name):
            for process in pod.processes.values():
                process.send_signal(signal.SIGSTOP)

    def stop(self):
        self.stopping.set()
        self.join(30)
        for pod in list(self.pods.values()):
            pod.kill()
