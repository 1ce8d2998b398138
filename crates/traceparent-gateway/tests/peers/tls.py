"""The gateway's TLS with other people's programs: openssl, curl, nginx, h2load, OpenTelemetry's exporters and rotel.

    GATEWAY=... NGINX=... H2LOAD=... python3 tls.py

All certificates are openssl's own.
"""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import unittest

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from peers import GATEWAY, Collected, Process, Rotel, Sink, demo, eventually, free_port, listens

# They would overrule what a test says.
for variable in ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]:
    os.environ.pop(variable, None)

NGINX, H2LOAD = os.environ["NGINX"], os.environ["H2LOAD"]
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def run(*command, text=None):
    """Runs a program, and returns its exit code and what it says."""
    ran = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=60)
    return ran.returncode, ran.stdout


def openssl(*arguments):
    code, told = run("openssl", *arguments)
    assert code == 0, told


class Folder:
    """Certificates, made by openssl."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.authority("ca")
        self.authority("other")

    def __call__(self, name):
        return str(pathlib.Path(self.folder.name) / name)

    def authority(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self(f"{name}.key"), "-out", self(f"{name}.pem"))

    def sign(self, name, subject="/CN=localhost", names=NAMES, days="1", authority="ca", issuer=None):
        """Makes `name.pem` and `name.key`; with an issuer, the chain has its certificate, too."""
        request, extensions = self(f"{name}.csr"), self(f"{name}.ext")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", self(f"{name}.key"), "-out", request)
        pathlib.Path(extensions).write_text(names + "\n")
        signer = issuer or authority
        openssl("x509", "-req", "-in", request, "-CA", self(f"{signer}.pem"), "-CAkey", self(f"{signer}.key"),
                "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", self(f"{name}.pem"))
        if issuer:
            path = pathlib.Path(self(f"{name}.pem"))
            path.write_text(path.read_text() + pathlib.Path(self(f"{issuer}.pem")).read_text())


class Gateway(Process):
    """The gateway with a file, and its standard output."""

    def __init__(self, folder, text, environment=None):
        self.file = folder("gateway.yaml")
        pathlib.Path(self.file).write_text(text)
        super().__init__([GATEWAY, "run", "--config", self.file], environment)
        greeting = eventually("greeting", lambda: self.find(r"listening on (https?)://127.0.0.1:([0-9]+),"))
        self.port = int(greeting[2])
        self.url = f"{greeting[1]}://localhost:{self.port}"


def listener(folder, upstream, tls="", route=""):
    return (f"listeners:\n  - address: 127.0.0.1:0\n    tls: {{certificate: server.pem, key: server.key{tls}}}\n"
            f"    routes:\n      - prefix: /\n        upstream: {upstream}\n{route}")


class Listeners(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.folder.cleanup)
        self.folder.sign("server")
        self.sink = Sink(b"ok")
        self.upstream = f"http://127.0.0.1:{self.sink.port}"
        self.addCleanup(self.sink.close)

    def gateway(self, tls="", environment=None):
        gateway = Gateway(self.folder, listener(self.folder, self.upstream, tls), environment)
        self.addCleanup(gateway.close)
        return gateway

    def curl(self, url, *flags):
        return run("curl", "--silent", "--show-error", "--cacert", self.folder("ca.pem"), *flags, url)

    def test_curl_speaks_both_versions_of_tls_and_of_http(self):
        gateway = self.gateway()
        for version in ["1.2", "1.3"]:
            for flag, number in [("--http1.1", "1.1"), ("--http2", "2")]:
                answer = self.curl(gateway.url, flag, f"--tlsv{version}", "--tls-max", version,
                                   "--write-out", " %{http_version} %{http_code}")
                self.assertEqual(answer, (0, f"ok {number} 200"))
        self.assertEqual(self.sink.requests[-1][1]["X-Forwarded-Proto"], "https")
        code, told = self.curl(gateway.url.replace("localhost", "other.example"), "--resolve",
                               f"other.example:{gateway.port}:127.0.0.1")
        self.assertEqual(code, 60, told)
        code, told = self.curl(gateway.url, "--tls-max", "1.1")
        self.assertEqual(code, 35, told)

    def test_curl_is_told_about_the_wrong_scheme(self):
        gateway = self.gateway()
        answer = self.curl(gateway.url.replace("https", "http"), "--write-out", "%{http_code}")
        self.assertEqual(answer, (0, "This port speaks TLS: use https.\n400"))

    def test_openssl_sees_what_is_negotiated(self):
        gateway = self.gateway()
        for version in ["-tls1_2", "-tls1_3"]:
            code, told = run("openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-servername", "localhost",
                             version, "-alpn", "h2,http/1.1", "-CAfile", self.folder("ca.pem"), "-verify_return_error",
                             text="")
            self.assertEqual(code, 0, told)
            self.assertIn("ALPN protocol: h2", told)
            self.assertIn("Verify return code: 0 (ok)", told)
        code, told = run("openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-tls1_1", text="")
        self.assertNotEqual(code, 0, told)

    def test_openssl_resumes_sessions(self):
        gateway = self.gateway()
        code, told = run("openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-tls1_2", "-reconnect", text="")
        self.assertEqual((code, told.count("Reused, ")), (0, 5), told)

    def test_curl_needs_a_certificate(self):
        self.folder.sign("client", "/O=Shop/CN=orders", names="extendedKeyUsage=clientAuth")
        self.folder.sign("foreign", "/CN=orders", names="extendedKeyUsage=clientAuth", authority="other")
        collected = Collected()
        self.addCleanup(collected.close)
        gateway = self.gateway(", client_ca: ca.pem", {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collected.port}", "OTEL_BSP_SCHEDULE_DELAY": "100",
        })
        for version in ["1.2", "1.3"]:
            def pair(name):
                return ["--cert", self.folder(f"{name}.pem"), "--key", self.folder(f"{name}.key"), "--tls-max", version]
            self.assertEqual(self.curl(gateway.url, *pair("client")), (0, "ok"))
            for flags in [["--tls-max", version], pair("foreign")]:
                code, told = self.curl(gateway.url, *flags)
                self.assertIn(code, [35, 56, 98], told)
        self.assertEqual(len(self.sink.requests), 2)
        eventually("span", collected.spans)
        self.assertIn(b"CN=orders,O=Shop", b"".join(body for _, _, body in collected.requests))

    def test_failed_handshakes_are_counted(self):
        self.folder.sign("expired", "/CN=orders", names="extendedKeyUsage=clientAuth", days="-1")
        self.folder.sign("foreign", "/CN=orders", names="extendedKeyUsage=clientAuth", authority="other")
        text = listener(self.folder, self.upstream, ", client_ca: ca.pem") + "admin: {address: '127.0.0.1:0'}\n"
        gateway = Gateway(self.folder, text)
        self.addCleanup(gateway.close)
        admin = eventually("admin", lambda: gateway.find("health at (http://[0-9.:]+)"))[1]

        def pair(name):
            return ["--cert", self.folder(f"{name}.pem"), "--key", self.folder(f"{name}.key")]

        def s_client(*flags):
            run("openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", *flags, text="")

        for reason, fail in [
            ("certificate_expired", lambda: self.curl(gateway.url, *pair("expired"))),
            ("certificate_unknown_authority", lambda: self.curl(gateway.url, *pair("foreign"))),
            ("client_certificate_required", lambda: self.curl(gateway.url)),
            ("server_certificate_refused", lambda: run("curl", "--silent", gateway.url)),
            ("tls_incompatible", lambda: s_client("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")),
            ("tls_no_common_protocol", lambda: s_client("-alpn", "smtp")),
            ("tls_not_spoken", lambda: run("curl", "--silent", gateway.url.replace("https", "http"))),
        ]:
            fail()
            sample = f'traceparent_gateway_tls_handshake_failures_total{{reason="{reason}"}} 1\n'
            eventually(reason, lambda: sample in run("curl", "--silent", f"{admin}/metrics")[1])
        told = [line for line in gateway.told if line.startswith("no TLS with 127.0.0.1: ")]
        self.assertEqual(len(told), 7, told)
        self.assertEqual(self.sink.requests, [])

    def test_a_chain_with_an_intermediate_authority_is_sent(self):
        self.folder.sign("middle", "/CN=middle", names="basicConstraints=critical,CA:TRUE")
        self.folder.sign("server", issuer="middle")
        self.assertEqual(self.curl(self.gateway().url), (0, "ok"))

    def test_reloads_under_load_fail_no_request(self):
        gateway = self.gateway()
        stopping = threading.Event()

        def renew():
            while not stopping.wait(0.3):
                self.folder.sign("server")
                gateway.process.send_signal(signal.SIGHUP)

        renewing = threading.Thread(target=renew)
        renewing.start()
        failed = []
        for flags in [["--h1"], ["-m", "5"]]:
            code, told = run(H2LOAD, "-n", "6000", "-c", "20", *flags, f"{gateway.url}/")
            self.assertEqual(code, 0, told)
            failed.append(re.search(r"requests: .*", told)[0])
        stopping.set()
        renewing.join()
        for line in failed:
            self.assertIn("6000 succeeded, 0 failed, 0 errored, 0 timeout", line)
        eventually("reload", lambda: gateway.find("configuration reloaded"))
        print(f"\n{failed}, {sum('configuration reloaded' in line for line in gateway.told)} reloads")

    def test_exporters_of_others_send_through_it(self):
        self.folder.sign("client", "/CN=service", names="extendedKeyUsage=clientAuth")
        collected = Collected()
        self.addCleanup(collected.close)
        self.upstream = f"http://127.0.0.1:{collected.port}"
        gateway = self.gateway(", client_ca: ca.pem")
        exporter = HttpExporter(
            endpoint=f"{gateway.url}/v1/traces", certificate_file=self.folder("ca.pem"),
            client_certificate_file=self.folder("client.pem"), client_key_file=self.folder("client.key"),
        )
        provider = TracerProvider(resource=Resource.create({"service.name": "python"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.get_tracer("test").start_span("over TLS").end()
        provider.shutdown()
        self.assertEqual([span.service for span in collected.spans()], ["python"])

    def test_rotel_sends_through_it(self):
        """Its release takes no files of certificates, but the authorities of the system."""
        collected = Collected()
        self.addCleanup(collected.close)
        self.upstream = f"http://127.0.0.1:{collected.port}"
        gateway = self.gateway()
        flags = ["--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", gateway.url]
        rotel = Rotel(*flags, environment={"SSL_CERT_FILE": self.folder("ca.pem")})
        self.addCleanup(rotel.close)
        demo(f"http://127.0.0.1:{rotel.http}", "http/protobuf")
        eventually("spans of rotel", lambda: len(collected.spans()) == 13)

    def test_grpc_exporters_of_others_send_through_it(self):
        """Python's gRPC over TLS to the gateway, which passes it to rotel in the clear; rotel exports what it got."""
        collected = Collected()
        self.addCleanup(collected.close)
        rotel = Rotel("--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint",
                      f"http://127.0.0.1:{collected.port}")
        self.addCleanup(rotel.close)
        text = listener(self.folder, f"http://127.0.0.1:{rotel.grpc}", route="        http2: true\n")
        gateway = Gateway(self.folder, text)
        self.addCleanup(gateway.close)
        os.environ["OTEL_EXPORTER_OTLP_CERTIFICATE"] = self.folder("ca.pem")
        self.addCleanup(os.environ.pop, "OTEL_EXPORTER_OTLP_CERTIFICATE")
        provider = TracerProvider(resource=Resource.create({"service.name": "python"}))
        provider.add_span_processor(SimpleSpanProcessor(GrpcExporter(endpoint=gateway.url)))
        provider.get_tracer("test").start_span("over TLS").end()
        provider.shutdown()
        eventually("span", lambda: [span.service for span in collected.spans()] == ["python"])


def nginx(test, directives, name, locations):
    """Starts nginx with a certificate, until the test has ended; returns the port."""
    folder, port = test.folder, free_port()
    config = folder("nginx.conf")
    pathlib.Path(config).write_text(
        f"daemon off; pid {folder('nginx.pid')}; error_log stderr; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder('body')}; proxy_temp_path {folder('proxy')};\n"
        f"fastcgi_temp_path {folder('f')}; uwsgi_temp_path {folder('u')}; scgi_temp_path {folder('s')};\n"
        f"server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {folder(name + '.pem')};\n"
        f"ssl_certificate_key {folder(name + '.key')}; {directives}\n{locations} }} }}\n")
    process = Process([NGINX, "-c", config, "-p", folder(".")])
    test.addCleanup(process.close)
    eventually("nginx", lambda: listens(port))
    return port


class Upstreams(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.folder.cleanup)

    def gateway(self, port, tls="", more=""):
        text = (f"listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: https://localhost:{port}\n"
                f"        tls: {{ca: ca.pem{tls}}}\n{more}")
        gateway = Gateway(self.folder, text)
        self.addCleanup(gateway.close)
        return gateway

    def nginx(self, directives="", name="server"):
        return nginx(self, directives, name, 'location / { return 200 "$server_protocol $ssl_protocol $ssl_client_s_dn"; }')

    def get(self, gateway):
        code, told = run("curl", "--silent", "--write-out", " %{http_code}", gateway.url)
        self.assertEqual(code, 0, told)
        return told

    def test_nginx_is_spoken_to_in_both_versions(self):
        self.folder.sign("server")
        self.folder.sign("client", "/CN=gateway", names="extendedKeyUsage=clientAuth")
        for version in ["TLSv1.2", "TLSv1.3"]:
            port = self.nginx(f"ssl_protocols {version}; ssl_client_certificate {self.folder('ca.pem')}; ssl_verify_client optional;")
            identity = ", certificate: client.pem, key: client.key"
            self.assertEqual(self.get(self.gateway(port)), f"HTTP/2.0 {version}  200")
            self.assertEqual(self.get(self.gateway(port, identity)), f"HTTP/2.0 {version} CN=gateway 200")
            only = "        http2: false\n"
            self.assertEqual(self.get(self.gateway(port, identity, only)), f"HTTP/1.1 {version} CN=gateway 200")

    def test_h2load_loses_nothing(self):
        self.folder.sign("server")
        gateway = self.gateway(self.nginx("keepalive_requests 100;"))
        code, told = run(H2LOAD, "-n", "3000", "-c", "4", "-m", "5", f"{gateway.url}/")
        self.assertIn("3000 succeeded, 0 failed, 0 errored, 0 timeout", told)

    def test_certificates_that_prove_nothing_are_refused(self):
        self.folder.sign("expired", days="-1")
        self.folder.sign("named", "/CN=other.example", names="subjectAltName=DNS:other.example")
        self.folder.sign("foreign", authority="other")
        self.folder.sign("middle", "/CN=middle", names="basicConstraints=critical,CA:TRUE")
        self.folder.sign("incomplete", issuer="middle")
        path = pathlib.Path(self.folder("incomplete.pem"))
        path.write_text(path.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
        for name in ["expired", "named", "foreign", "incomplete"]:
            gateway = self.gateway(self.nginx(name=name))
            self.assertEqual(self.get(gateway), "The service behind this gateway cannot prove who it is.\n 502", name)
        self.folder.sign("whole", issuer="middle")
        self.assertIn(" 200", self.get(self.gateway(self.nginx(name="whole"))))

    def test_openssl_refuses_to_agree(self):
        self.folder.sign("server")
        for flags in [["-cipher", "AES128-SHA", "-tls1_2"], ["-alpn", "smtp"], ["-Verify", "1", "-tls1_2"]]:
            port = free_port()
            server = Process(["openssl", "s_server", "-accept", str(port), "-cert", self.folder("server.pem"), "-key",
                              self.folder("server.key"), "-CAfile", self.folder("ca.pem"), "-quiet", *flags])
            self.addCleanup(server.close)
            eventually("s_server", lambda: listens(port))
            told = self.get(self.gateway(port))
            self.assertEqual(told, "The service behind this gateway cannot be reached over TLS.\n 502", flags)


class Collectors(unittest.TestCase):
    """rotel, with nginx in front of it for TLS."""

    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.folder.cleanup)
        self.folder.sign("server")
        self.folder.sign("client", "/CN=gateway", names="extendedKeyUsage=clientAuth")
        self.sink, self.collected = Sink(b"ok"), Collected()
        self.addCleanup(self.sink.close)
        self.addCleanup(self.collected.close)
        self.rotel = Rotel("--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint",
                           f"http://127.0.0.1:{self.collected.port}")
        self.addCleanup(self.rotel.close)

    def nginx(self, name="server"):
        clients = f"ssl_client_certificate {self.folder('ca.pem')}; ssl_verify_client on;"
        return nginx(self, clients, name,
                     f"location /opentelemetry.proto {{ grpc_pass grpc://127.0.0.1:{self.rotel.grpc}; }}\n"
                     f"location / {{ proxy_pass http://127.0.0.1:{self.rotel.http}; }}")

    def gateway(self, port, protocol):
        text = (f"listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: http://127.0.0.1:{self.sink.port}\n"
                f"tracing:\n  service_name: gateway\n  otlp:\n    endpoint: https://localhost:{port}\n    protocol: {protocol}\n"
                "    tls: {ca: ca.pem, certificate: client.pem, key: client.key}\n")
        return Gateway(self.folder, text, {"OTEL_BSP_SCHEDULE_DELAY": "100"})

    def request(self, gateway):
        self.assertEqual(run("curl", "--silent", gateway.url), (0, "ok"))

    def test_spans_arrive_over_both_protocols(self):
        port = self.nginx()
        for number, protocol in enumerate(["grpc", "http/protobuf"], 1):
            gateway = self.gateway(port, protocol)
            self.request(gateway)
            self.assertIn("stopped: 2 spans exported, 0 dropped", gateway.close())
            eventually("spans", lambda: len(self.collected.spans()) == 2 * number)

    def test_a_collector_that_proves_nothing_gets_nothing(self):
        self.folder.sign("expired", days="-1")
        self.folder.sign("foreign", authority="other")
        for name, told in [("expired", "has expired"), ("foreign", "is of an authority that is not trusted")]:
            port = self.nginx(name)
            for protocol in ["grpc", "http/protobuf"]:
                gateway = self.gateway(port, protocol)
                self.request(gateway)
                said = gateway.close()
                self.assertIn(f"the collector's certificate {told}", said)
                self.assertIn("stopped: 0 spans exported, 2 dropped", said)
        self.assertEqual(self.collected.spans(), [])

    def test_files_that_come_later_are_read(self):
        port, key = self.nginx(), pathlib.Path(self.folder("client.key"))
        kept = key.read_text()
        for protocol in ["grpc", "http/protobuf"]:
            before = len(self.collected.spans())
            key.unlink()
            gateway = self.gateway(port, protocol)
            self.assertTrue(gateway.find("cannot set up TLS to the collector, dropping spans: .*client.key: cannot be read"))
            self.request(gateway)
            eventually("failure", lambda: gateway.find("export failed, dropping spans: there is no TLS to the collector"))
            key.write_text(kept)
            eventually("reload", lambda: gateway.find("certificates and keys reloaded"))
            self.request(gateway)
            self.assertIn("stopped: 2 spans exported, 2 dropped", gateway.close())
            eventually("spans", lambda: len(self.collected.spans()) == before + 2)


if __name__ == "__main__":
    unittest.main()
